"""A handle of a runtime: the one object that routes, jobs and notebooks talk to."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from greenroom.runtime.client.agent import AgentHandle
from greenroom.runtime.client.books import LedgerHandle, ThreadsHandle, WorkspacesHandle
from greenroom.runtime.client.bundles import BundlesHandle
from greenroom.runtime.client.link import RuntimeLink
from greenroom.runtime.client.results import Page, RunResult, RunSummary
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.client.schedules import SchedulesHandle
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.entries import TargetKind
from greenroom.runtime.contracts.errors import RuntimeUnavailable, ToolFailed
from greenroom.runtime.contracts.ports import Ids
from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt, VerifyReport
from greenroom.runtime.contracts.values import Json

Types = Callable[[str, str], Any]
"""(kind, id) to the type of a definition's output, or None where the handle does not know it."""


class RuntimeClient:
    """Talks to a runtime.

    Args:
        link: The way to it.
        ids: Fresh ids.
        workspace: The tenant all calls are for.
        dump: Turns models into JSON.
        load: Turns JSON into a type: `load(type, value)`.
        schema_of: JSON Schema of a type.
        output_type: Knows the output types of the app, if there is one.
        storage: Read access to the store, if it can be reached from here.
    """

    def __init__(
        self,
        link: RuntimeLink,
        ids: Ids,
        *,
        workspace: str = "default",
        dump: Callable[[Any], Json],
        load: Callable[[Any, Json], Any],
        schema_of: Callable[[Any], dict[str, Any]],
        output_type: Types | None = None,
        storage: Any = None,
    ) -> None:
        self.link = link
        self.ids = ids
        self.workspace = workspace
        self.schema_of = schema_of
        self.storage = storage
        self.threads = ThreadsHandle(self)
        self.ledger = LedgerHandle(self)
        self.bundles = BundlesHandle(self)
        self.workspaces = WorkspacesHandle(self)
        self.schedules = SchedulesHandle(self, dump)
        self._dump = dump
        self._load = load
        self._output_type = output_type or (lambda _kind, _id: None)

    def workflow(self, workflow_id: str) -> "WorkflowHandle":
        """Return a handle of a workflow; whether it exists shows at the first call."""
        return WorkflowHandle(self, workflow_id)

    def agent(self, agent_id: str) -> AgentHandle:
        """Return a handle of an agent; whether it exists shows at the first call."""
        return AgentHandle(self, agent_id)

    def tool(self, tool_id: str) -> "ToolHandle":
        """Return a handle of a tool; whether it exists shows at the first call."""
        return ToolHandle(self, tool_id)

    async def run(self, run_id: str) -> RunHandle:
        """Return a handle of an existing run, started by whomever.

        Raises:
            RunNotFound: There is none in this workspace.
        """
        view = await self.link.call(requests.Get(workspace=self.workspace, run_id=run_id))
        return self.run_handle(run_id, self._output_type(view["kind"], view["target"]), view.get("trace_id") or "")

    def run_handle(self, run_id: str, output_type: Any = None, trace_id: str = "") -> RunHandle:
        """Return a handle of a run without asking whether it exists."""
        load = (lambda value: self._load(output_type, value)) if output_type is not None else None
        return RunHandle(
            self.link,
            run_id,
            workspace=self.workspace,
            ids=self.ids,
            dump=self._dump,
            load_output=load,
            trace_id=trace_id,
        )

    async def start(
        self,
        kind: TargetKind,
        target: str,
        value: Any,
        *,
        key: str | None = None,
        run_id: str | None = None,
        resource_id: str | None = None,
        request_context: dict[str, Json] | None = None,
        state: Any = None,
        thread_id: str | None = None,
        options: dict[str, Json] | None = None,
        single_step: bool = False,
        priority: int = 0,
        trace_id: str = "",
        parent_span_id: str = "",
        output_type: Any = None,
    ) -> RunHandle:
        """Start a run of anything; acknowledged when durable.

        Args:
            trace_id: The trace it belongs to, 32 hex digits; empty begins one.
            parent_span_id: The caller's span in that trace, 16 hex digits.

        Raises:
            NotFound, InvalidInput, AlreadyClaimed: Nothing was recorded.
        """
        request = requests.Start(
            workspace=self.workspace,
            kind=kind,
            target=target,
            input=self._dump(value),
            key=key,
            run_id=run_id or (None if key else self.ids.run_id()),
            resource_id=resource_id,
            request_context=request_context or {},
            state=self._dump(state) or {},
            thread_id=thread_id,
            options=options or {},
            single_step=single_step,
            priority=priority,
            trace_id=trace_id,
            parent_span_id=parent_span_id,
        )
        answer = await self.link.call(request)
        known = output_type if output_type is not None else self._output_type(kind, target)
        return self.run_handle(answer["run_id"], known, answer["trace_id"])

    async def runs(
        self,
        *,
        workflow: str | None = None,
        kind: str | None = None,
        status: str | None = None,
        resource_id: str | None = None,
        roots: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[RunSummary]:
        """Return runs, newest first; children too, with `parent_id`, unless `roots`."""
        request = requests.ListRuns(
            workspace=self.workspace,
            workflow=workflow,
            kind=kind,
            status=status,
            resource_id=resource_id,
            roots=roots,
            limit=limit,
            cursor=cursor,
        )
        page = await self.link.call(request)
        return Page([RunSummary.from_json(item) for item in page["items"]], page["next_cursor"])

    async def describe(self) -> dict[str, Json]:
        """Return the definitions of the newest bundle as JSON."""
        described: dict[str, Json] = await self.link.call(requests.Describe(workspace=self.workspace))
        return described

    async def status(self) -> dict[str, Json]:
        """Return how the runtime is."""
        status: dict[str, Json] = await self.link.call(requests.Status(workspace=self.workspace))
        return status

    async def flush(self) -> None:
        """Return when everything acknowledged so far can be read from Parquet."""
        await self.link.call(requests.Flush(workspace=self.workspace))

    async def compact(self) -> CompactReport:
        """Merge the store's parts, and return what that did. May take minutes; the runtime goes on meanwhile."""
        return msgspec.convert(await self.link.call(requests.Compact(workspace=self.workspace)), CompactReport)

    async def purge(self) -> PurgeReceipt:
        """Take every byte of what was deleted off the disk, and return the proof. May take minutes.

        It goes on when the caller goes away; asking again waits for it and purges what was deleted since.
        """
        return msgspec.convert(await self.link.call(requests.Purge(workspace=self.workspace)), PurgeReceipt)

    async def verify(self) -> VerifyReport:
        """Read every byte of the store, and return what is damaged. May take minutes; changes nothing."""
        return msgspec.convert(await self.link.call(requests.Verify(workspace=self.workspace)), VerifyReport)

    async def shutdown(self, *, stop_workers: bool = True) -> None:
        """Flush the store, let go of it, and end the workers. Open runs go on when a runtime starts again."""
        try:
            await self.link.call(requests.Close(workspace=self.workspace, stop_workers=stop_workers))
        except (RuntimeUnavailable, asyncio.CancelledError):
            return


class WorkflowHandle:
    """One workflow of the newest bundle."""

    def __init__(self, runtime: RuntimeClient, workflow_id: str) -> None:
        self._runtime = runtime
        self.workflow_id = workflow_id

    async def start(
        self,
        input: Any = None,
        *,
        key: str | None = None,
        run_id: str | None = None,
        resource_id: str | None = None,
        request_context: dict[str, Json] | None = None,
        state: Any = None,
        single_step: bool = False,
        priority: int = 0,
        trace_id: str = "",
        parent_span_id: str = "",
    ) -> RunHandle:
        """Start a run; acknowledged when durable.

        Args:
            input: A model or JSON that fits the workflow's input.
            key: Two starts with one key and one input are one run.
            run_id: An id of the caller's choice.
            resource_id: Whom the run is for.
            request_context: Stored with the run, given to every body.
            state: What the workflow's state begins with.
            single_step: Pause after every top-level step.
            priority: Which of the workspace's attempts that wait for a limit comes first; higher before lower.
            trace_id: The trace it belongs to, 32 hex digits; empty begins one.
            parent_span_id: The caller's span in that trace, 16 hex digits.

        Raises:
            NotFound: There is no such workflow.
            InvalidInput: The input does not fit; every wrong field is listed and nothing was recorded.
            AlreadyClaimed: The key or the id belongs to a run with another input.
        """
        return await self._runtime.start(
            "workflow",
            self.workflow_id,
            input,
            key=key,
            run_id=run_id,
            resource_id=resource_id,
            request_context=request_context,
            state=state,
            single_step=single_step,
            priority=priority,
            trace_id=trace_id,
            parent_span_id=parent_span_id,
        )

    async def run(self, input: Any = None, *, timeout_s: float | None = None, **options: Any) -> RunResult:
        """Start a run and return it when it is finished or parked."""
        return await (await self.start(input, **options)).result(timeout_s)


class ToolHandle:
    """One tool of the newest bundle."""

    def __init__(self, runtime: RuntimeClient, tool_id: str) -> None:
        self._runtime = runtime
        self.tool_id = tool_id

    async def start(self, arguments: dict[str, Json] | None = None, **options: Any) -> RunHandle:
        """Start the tool as a run of its own and return the handle."""
        return await self._runtime.start("tool", self.tool_id, arguments or {}, **options)

    async def execute(
        self, arguments: dict[str, Json] | None = None, *, timeout_s: float | None = None, **options: Any
    ) -> Json:
        """Run the tool and return its result.

        Raises:
            ToolFailed: It raised after its retries.
            InvalidInput: The arguments do not fit.
        """
        result = await (await self.start(arguments, **options)).result(timeout_s)
        if result.error is not None:
            raise ToolFailed(f"tool {self.tool_id!r} failed: {result.error}", {"run_id": result.run_id})
        return result.output
