"""A handle of one run: ask how it stands, follow it, resume it, steer it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec

from greenroom.runtime.client.link import RuntimeLink
from greenroom.runtime.client.results import RunEvent, RunResult, moment
from greenroom.runtime.client.seen_suspensions import SeenSuspensions
from greenroom.runtime.client.stored_values import whole
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.errors import InvalidInput, RunNotFound
from greenroom.runtime.contracts.ports import Ids
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.values import BlobRef, Json, find_blob

WAIT_S = 25.0
"""How long one question to the runtime is held open."""

SAME: Final = object()
"""Stands for an input that was not given: None is a value."""

Load = Callable[[Json], Any]
Dump = Callable[[Any], Json]


class RunHandle:
    """One run, from any process.

    Attributes:
        run_id: Its id.
        trace_id: Its trace; empty on a handle of an existing run until `get` was called.
    """

    def __init__(
        self,
        link: RuntimeLink,
        run_id: str,
        *,
        workspace: str,
        ids: Ids,
        dump: Dump,
        load_output: Load | None = None,
        trace_id: str = "",
    ) -> None:
        self.run_id = run_id
        self.trace_id = trace_id
        self._link = link
        self._workspace = workspace
        self._ids = ids
        self._dump = dump
        self._load_output = load_output
        self._seen = SeenSuspensions()

    def __repr__(self) -> str:
        """Name the run."""
        return f"RunHandle({self.run_id!r})"

    async def status(self) -> RunStatus:
        """Return the status."""
        return (await self.get()).status

    async def get(self) -> RunResult:
        """Return the run as it stands, without waiting."""
        return await self._result(await self._link.call(requests.Get(workspace=self._workspace, run_id=self.run_id)))

    async def result(self, timeout_s: float | None = None) -> RunResult:
        """Return the run once it is finished, suspended or paused. Failed and canceled runs are returned, not raised.

        Raises:
            TimeoutError: It is still moving after `timeout_s`.
        """
        give_up_at = time.monotonic() + timeout_s if timeout_s is not None else None
        while True:
            left = WAIT_S if give_up_at is None else min(WAIT_S, give_up_at - time.monotonic())
            request = requests.Wait(workspace=self._workspace, run_id=self.run_id, timeout_s=max(0.0, left))
            view = await self._link.call(request)
            if view is not None:
                return await self._result(view)
            if give_up_at is not None and time.monotonic() >= give_up_at:
                message = f"run {self.run_id} is still moving after {timeout_s} s"
                raise TimeoutError(message)

    async def value(self, reference: Json) -> Any:
        """Return a stored value that stands as `{"$blob": …}` in a step, an event, or an output of more than 16 MB.

        Returns:
            The JSON value; of other kinds their bytes: as they were, or an Arrow IPC stream, or a PNG.

        Raises:
            InvalidInput: This is no reference.
            NotFound: The run does not refer to it.
        """
        found = find_blob(reference)
        if found is None:
            form = "{'$blob': {'sha256': …, 'bytes': …, 'kind': …}}"
            raise InvalidInput(f"this is no reference to a stored value; one is {form}")
        return await self._read(found)

    async def _read(self, reference: BlobRef) -> Any:
        request = requests.ReadValue(workspace=self._workspace, run_id=self.run_id, sha256=reference.sha256)
        data: bytes = (await self._link.call(request))["data"]
        return msgspec.json.decode(data) if reference.kind == "json" else data

    async def _result(self, view: dict[str, Json]) -> RunResult:
        self.trace_id = view.get("trace_id") or self.trace_id
        self._seen.see_view(view)
        output = await whole(view.get("output"), self._read)
        view["output"] = output
        if output is not None and self._load_output is not None:
            output = self._load_output(output)
        return RunResult.from_json(view, output)

    async def events(self, after: int = 0) -> AsyncIterator[RunEvent]:
        """Yield the run's events behind `after`: durable ones without gaps, ephemeral ones (`seq` 0) between them.

        Ends with the run, also when it is deleted; stays open while it is parked. A restart of the runtime is not
        seen.

        Raises:
            RunNotFound: There is no such run.
        """
        cursor = ""
        while True:
            request = requests.Poll(
                workspace=self._workspace, run_id=self.run_id, cursor=cursor, after=after, timeout_s=WAIT_S
            )
            try:
                page = await self._link.call(request)
            except RunNotFound:
                if cursor:
                    return  # it was deleted meanwhile
                raise
            cursor = page["cursor"]
            for event in page["events"]:
                self._seen.see_event(event["seq"], event["type"], event["path"], event["data"])
                yield RunEvent(
                    seq=event["seq"],
                    type=event["type"],
                    path=event["path"],
                    at=moment(event["at"]),
                    data=event["data"],
                )
            if page["is_ended"]:
                return

    async def resume(
        self,
        step: str | None = None,
        data: Any = None,
        *,
        label: str | None = None,
        index: int | None = None,
        key: str | None = None,
        request_context: dict[str, Json] | None = None,
        suspension: str | None = None,
    ) -> "RunHandle":
        """Resume a suspended step with data; None is a value.

        A handle that has seen the step suspended, in a result or an event, answers the suspension it saw last, and no
        later one: to answer the next, look at the run again.

        Args:
            step: Path, id or suffix; may be left out if exactly one waits.
            data: What its suspend returns.
            label: The label it suspended with.
            index: Item of a foreach.
            key: Two resumes with one key are one.
            request_context: Merged into the run's.
            suspension: Token of the suspension that is answered, from `RunResult.suspensions` or the event; it may
                stand for the step.

        Raises:
            RunNotSuspended, RunFinished, AmbiguousResume, InvalidInput: See `semantics`.
            AlreadyClaimed: Somebody else answered it first; what waits now, if anything does, is left alone.
        """
        request = requests.Resume(
            workspace=self._workspace,
            run_id=self.run_id,
            step=step,
            data=self._dump(data),
            label=label,
            index=index,
            key=key or self._ids.run_id(),
            request_context=request_context or {},
            suspension=suspension or self._seen.meant(step, label, index),
        )
        await self._link.call(request)
        return self

    async def signal(self, name: str, payload: Any = None, *, key: str | None = None) -> None:
        """Send a signal; it is kept until a step waits for it.

        Raises:
            InvalidInput: The payload does not fit the schema.
            RunFinished: The run has ended.
        """
        request = requests.Signal(
            workspace=self._workspace,
            run_id=self.run_id,
            name=name,
            payload=self._dump(payload),
            key=key or self._ids.run_id(),
        )
        await self._link.call(request)

    async def cancel(self, reason: str = "") -> bool:
        """Cancel the run. True if it is, or was already, canceled; False if it had finished otherwise."""
        request = requests.Cancel(workspace=self._workspace, run_id=self.run_id, reason=reason)
        return bool((await self._link.call(request))["canceled"])

    async def delete(self, *, key: str | None = None) -> None:
        """Delete the run at once with everything of it: journal, children, events, its idempotency key.

        Its entries in the ledger stay and no longer say whose they are. `purge` takes the bytes off the disk.

        Args:
            key: Two deletions with one key are one: the second is no error.

        Raises:
            RunNotFound: There is none, or none any more.
            RunStillRunning: Something moves in it; cancel it first.
            RequestError: It is a child; `facts["root_id"]` is the run that it is deleted with.
        """
        key = key or self._ids.run_id()
        request = requests.Delete(workspace=self._workspace, scope="run", id=self.run_id, key=key)
        await self._link.call(request)

    async def advance(self) -> None:
        """Let a run that was started with `single_step=True` take its next step."""
        await self._link.call(requests.Advance(workspace=self._workspace, run_id=self.run_id))

    async def fork(
        self,
        from_step: str,
        input: Any = SAME,
        state: Any = None,
        *,
        key: str | None = None,
        request_context: dict[str, Json] | None = None,
    ) -> "RunHandle":
        """Start a run that takes this run's outcomes before a step over, and executes from there; return its handle.

        No body is called again for what is taken over, and this run stays as it is.

        Args:
            from_step: Path, id or suffix of a step that has begun: `write`, `outer/inner/ask`, item or iteration
                `research[3]`.
            input: Of that step; left out, it gets what it got in this run.
            state: What the state begins with; None for what it was when the step began.
            key: Two forks with one key are one.
            request_context: Merged into the run's.

        Raises:
            RunStillRunning: Something moves in this run.
            NotFound: The step is none of this run that has begun; the message lists them.
            InvalidInput: The input or the state does not fit.
            AlreadyClaimed: The key started something else.
        """
        request = requests.ForkRun(
            workspace=self._workspace,
            run_id=self.run_id,
            from_step=from_step,
            has_input=input is not SAME,
            input=None if input is SAME else self._dump(input),
            state=self._dump(state),
            key=key or self._ids.run_id(),
            request_context=request_context or {},
        )
        answer = await self._link.call(request)
        return RunHandle(
            self._link,
            answer["run_id"],
            workspace=self._workspace,
            ids=self._ids,
            dump=self._dump,
            load_output=self._load_output,
            trace_id=answer["trace_id"],
        )

    async def rerun(
        self,
        from_step: str,
        input: Any = SAME,
        state: Any = None,
        *,
        key: str | None = None,
        request_context: dict[str, Json] | None = None,
    ) -> "RunHandle":
        """Let this run go back to a step and execute from there; its later outcomes stay in the journal only.

        The arguments and errors are those of `fork`.
        """
        request = requests.Rerun(
            workspace=self._workspace,
            run_id=self.run_id,
            from_step=from_step,
            has_input=input is not SAME,
            input=None if input is SAME else self._dump(input),
            state=self._dump(state),
            key=key or self._ids.run_id(),
            request_context=request_context or {},
        )
        await self._link.call(request)
        self._seen.clear()
        return self

    async def wait_for(self, *statuses: str, timeout_s: float = 60.0) -> RunResult:
        """Return the run once it has one of these statuses.

        Raises:
            TimeoutError: It has none of them after `timeout_s`.
        """
        async with asyncio.timeout(timeout_s):
            result = await self.get()
            if result.status in statuses:
                return result
            async for _ in self.events(after=int(result.view.get("event_seq") or 0)):
                result = await self.get()
                if result.status in statuses:
                    return result
        return await self.get()
