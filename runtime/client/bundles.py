"""A handle of the bundles: which take new runs, and which runs go on with another."""

from typing import TYPE_CHECKING

from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.values import Json

if TYPE_CHECKING:
    from greenroom.runtime.client.runtime import RuntimeClient


class BundlesHandle:
    """The versions of the app's definitions that a runtime knows."""

    def __init__(self, runtime: "RuntimeClient") -> None:
        self._runtime = runtime

    async def drain(self, bundle: str | None = None, *, undo: bool = False) -> list[dict[str, Json]]:
        """Start no more runs with a bundle; return how many open runs are left, of each bundle that was meant.

        Args:
            bundle: Its id or the beginning of it; None for all but the newest.
            undo: Let it take new runs again.

        Raises:
            NotFound: There is no such bundle.
        """
        request = requests.Drain(workspace=self._runtime.workspace, bundle=bundle, is_drained=not undo)
        answer = await self._runtime.link.call(request)
        bundles: list[dict[str, Json]] = answer["bundles"]
        return bundles

    async def migrate(
        self, *, from_bundle: str | None = None, to_bundle: str | None = None, dry_run: bool = False
    ) -> dict[str, Json]:
        """Move the parked runs of the workspace to another bundle; return which were moved, and why others were not.

        A run fits when all it has visited is in the other bundle too, at the same paths and of the same kind.

        Args:
            from_bundle: Runs of this one only; None for runs of any.
            to_bundle: None for the newest.
            dry_run: Only tell what would be done.

        Raises:
            NotFound: There is no such bundle.
        """
        request = requests.Migrate(
            workspace=self._runtime.workspace, from_bundle=from_bundle, to_bundle=to_bundle, is_dry_run=dry_run
        )
        report: dict[str, Json] = await self._runtime.link.call(request)
        return report
