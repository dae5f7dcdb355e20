"""Plans of bundles, as the runtime describes them; a bundle never changes, so its description is asked for once."""

from collections.abc import Mapping
from typing import Final

from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.values import Json

MAX_BUNDLES: Final = 8


class Plans:
    """Descriptions of the bundles seen last."""

    def __init__(self) -> None:
        self._bundles: dict[str, Mapping[str, Json]] = {}

    async def newest(self, runtime: RuntimeClient) -> Mapping[str, Json]:
        """Return the newest bundle's definitions, asked for anew."""
        described = await runtime.describe()
        bundle = described.get("bundle")
        if isinstance(bundle, str):
            self._bundles.pop(bundle, None)
            self._bundles[bundle] = described
            while len(self._bundles) > MAX_BUNDLES:
                del self._bundles[next(iter(self._bundles))]
        return described

    async def get(self, runtime: RuntimeClient, kind: str, id: str) -> Mapping[str, Json]:
        """Return a definition of the newest bundle.

        Args:
            kind: `workflow`, `agent` or `tool`.

        Raises:
            NotFound: There is none; the message lists what there is.
        """
        known: Mapping[str, Json] = (await self.newest(runtime))[f"{kind}s"]
        if id not in known:
            message = f"there is no {kind} {id!r}; there are: {', '.join(sorted(known)) or 'none'}"
            raise NotFound(message, {"kind": kind, "id": id, "known": sorted(known)})
        found: Mapping[str, Json] = known[id]
        return found

    async def of_run(self, runtime: RuntimeClient, view: Mapping[str, Json]) -> Mapping[str, Json] | None:
        """Return the plan of the workflow that a run runs, or None if it is of a bundle that is no longer described."""
        bundle = str(view.get("bundle") or "")
        if bundle not in self._bundles:
            await self.newest(runtime)
        described = self._bundles.get(bundle)
        if described is None:
            return None
        found: Mapping[str, Json] | None = described["workflows"].get(view["target"])
        return found
