"""Which suspensions a handle has seen: what a resume by that handle is meant to answer.

Holds what views and events showed, the newest for each path; asks nobody. What it does not know it leaves open, and
such a resume takes whatever suspension it finds.
"""

from collections.abc import Mapping

from greenroom.runtime.contracts.values import Json


class SeenSuspensions:
    """What one handle knows of the suspensions of its run."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}
        self._waiting: set[str] = set()
        self._labels: dict[str, str] = {}
        self._seq = 0

    def clear(self) -> None:
        """Forget everything: the run goes back to an earlier step."""
        self._tokens.clear()
        self._waiting.clear()
        self._labels.clear()

    def see_view(self, view: Mapping[str, Json]) -> None:
        """Learn from the run as it stands."""
        shown: Mapping[str, str] = view.get("suspensions") or {}
        self._tokens.update(shown)
        self._waiting = set(shown)
        self._labels.update(view.get("labels") or {})
        self._seq = max(self._seq, int(view.get("event_seq") or 0))

    def see_event(self, seq: int, type: str, path: str, data: Json) -> None:
        """Learn from an event, unless it tells of a time before what is known."""
        if seq <= self._seq:
            return
        self._seq = seq
        if type == "run_resumed":
            self._waiting.discard(path)
        if type != "step_suspended" or not isinstance(data, dict) or not data.get("suspension"):
            return
        self._tokens[path] = data["suspension"]
        self._waiting.add(path)
        if data.get("label"):
            self._labels[data["label"]] = path

    def meant(self, step: str | None, label: str | None, index: int | None) -> str | None:
        """Return the token of what a resume means, if it names exactly one step that was seen suspended.

        A name that is not a path may mean several; the name of a foreach means all of its items that wait.
        """
        if label is not None:
            return self._tokens.get(self._labels.get(label, ""))
        if step is not None:
            return self._tokens.get(step if index is None else f"{step}[{index}]")
        if index is None and len(self._waiting) == 1:
            return self._tokens.get(next(iter(self._waiting)))
        return None
