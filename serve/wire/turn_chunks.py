"""The chunks of one model turn: text, reasoning, arguments of tool calls; each a block with a start and an end."""

from collections.abc import Callable, Mapping

from greenroom.runtime.contracts.values import Json

MakeChunk = Callable[[str, dict[str, Json]], dict[str, Json]]


class TurnChunks:
    """What of a turn has been told so far.

    Args:
        chunk: Makes a chunk of a type and a payload.
        number: Which turn it is, from 0.

    Attributes:
        text: The text that was told and still counts.
    """

    def __init__(self, chunk: MakeChunk, number: int) -> None:
        self.text = ""
        self._chunk = chunk
        self._number = number
        self._resets = 0
        self._text_id = ""
        self._reasoning_id = ""
        self._inputs: dict[int, str] = {}

    def say(self, text: str) -> list[dict[str, Json]]:
        """Return the chunks for a piece of text."""
        if not text:
            return []
        told = self._end_reasoning()
        if not self._text_id:
            self._text_id = f"txt-{self._number}-{self._resets}" if self._resets else f"txt-{self._number}"
            told.append(self._chunk("text-start", {"id": self._text_id}))
        self.text += text
        return [*told, self._chunk("text-delta", {"id": self._text_id, "text": text})]

    def think(self, text: str) -> list[dict[str, Json]]:
        """Return the chunks for a piece of the model's reasoning."""
        told: list[dict[str, Json]] = []
        if not self._reasoning_id:
            self._reasoning_id = f"reasoning-{self._number}"
            told.append(self._chunk("reasoning-start", {"id": self._reasoning_id}))
        return [*told, self._chunk("reasoning-delta", {"id": self._reasoning_id, "text": text})]

    def call(self, data: Mapping[str, Json]) -> list[dict[str, Json]]:
        """Return the chunks for a piece of a tool call's arguments."""
        call_id, index, name = str(data.get("id") or ""), int(data.get("index") or 0), data.get("name") or ""
        if not call_id:
            return []
        told = self._end_reasoning() + self._end_text()
        if index not in self._inputs:
            told += self._end_inputs()
            self._inputs[index] = call_id
            told.append(self._chunk("tool-call-input-streaming-start", {"toolCallId": call_id, "toolName": name}))
        delta = {"argsTextDelta": data.get("arguments") or "", "toolCallId": call_id, "toolName": name}
        return [*told, self._chunk("tool-call-delta", delta)]

    def end(self) -> list[dict[str, Json]]:
        """Return the ends of the blocks that are open."""
        return self._end_reasoning() + self._end_text() + self._end_inputs()

    def void(self) -> tuple[list[dict[str, Json]], str]:
        """Forget what was told, because the answer begins anew; return the ends, and the id of the void text."""
        text_id = self._text_id
        told = self.end()
        self.text = ""
        self._resets += 1
        self._inputs = {}
        return told, text_id

    def _end_text(self) -> list[dict[str, Json]]:
        id, self._text_id = self._text_id, ""
        return [self._chunk("text-end", {"id": id})] if id else []

    def _end_reasoning(self) -> list[dict[str, Json]]:
        id, self._reasoning_id = self._reasoning_id, ""
        return [self._chunk("reasoning-end", {"id": id})] if id else []

    def _end_inputs(self) -> list[dict[str, Json]]:
        ended = [id for id in self._inputs.values() if id]
        self._inputs = dict.fromkeys(self._inputs, "")
        return [self._chunk("tool-call-input-streaming-end", {"toolCallId": id}) for id in ended]
