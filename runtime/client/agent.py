"""A handle of one agent: ask it, stream it, approve its tool calls."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from greenroom.runtime.client.results import AgentChunk, AgentResult
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.errors import ModelError, RunCanceled
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.values import Json

if TYPE_CHECKING:
    from greenroom.runtime.client.run import RunHandle
    from greenroom.runtime.client.runtime import RuntimeClient


class AgentHandle:
    """One agent of the newest bundle."""

    def __init__(self, runtime: "RuntimeClient", agent_id: str) -> None:
        self._runtime = runtime
        self.agent_id = agent_id

    async def start(
        self,
        prompt: Any,
        *,
        thread: str | None = None,
        resource_id: str | None = None,
        output: Any = None,
        key: str | None = None,
        run_id: str | None = None,
        max_steps: int | None = None,
        settings: dict[str, Json] | None = None,
        request_context: dict[str, Json] | None = None,
        trace_id: str = "",
        parent_span_id: str = "",
    ) -> "RunHandle":
        """Start the agent and return a handle of its run.

        Args:
            prompt: A text, or `{"messages": […]}`.
            thread: The conversation it belongs to.
            resource_id: Whom it is for.
            output: A type its answer shall have.
            key: Two starts with one key are one run.
            run_id: An id of the caller's choice.
            max_steps: Most model turns.
            settings: Sampling parameters for the provider.
            request_context: Stored with the run.
            trace_id: The trace it belongs to, 32 hex digits; empty begins one.
            parent_span_id: The caller's span in that trace, 16 hex digits.
        """
        options: dict[str, Json] = {}
        if output is not None:
            options["output_schema"] = self._runtime.schema_of(output)
        if max_steps is not None:
            options["max_steps"] = max_steps
        if settings:
            options["settings"] = settings
        return await self._runtime.start(
            "agent",
            self.agent_id,
            prompt,
            key=key,
            run_id=run_id,
            resource_id=resource_id,
            thread_id=thread,
            options=options,
            request_context=request_context,
            trace_id=trace_id,
            parent_span_id=parent_span_id,
            output_type=output,
        )

    async def generate(self, prompt: Any, *, timeout_s: float | None = None, **options: Any) -> AgentResult:
        """Return the agent's answer; with pending approvals, `finish_reason` is `suspended`.

        Raises:
            ModelError: The model failed, or gave no valid structured output.
            RunCanceled: Somebody canceled it.
        """
        run = await self.start(prompt, **options)
        return await self.reply_of(run, timeout_s=timeout_s)

    async def reply_of(self, run: "RunHandle", *, timeout_s: float | None = None) -> AgentResult:
        """Return the answer of a run of this agent once it has one, or waits for somebody.

        Raises:
            ModelError: It failed.
            RunCanceled: Somebody canceled it.
        """
        result = await run.result(timeout_s)
        if result.status is RunStatus.FAILED:
            message = str(result.error) if result.error else f"agent {self.agent_id!r} failed"
            raise ModelError(message, {"run_id": result.run_id, "trace_id": result.trace_id})
        if result.status is RunStatus.CANCELED:
            message = f"run {result.run_id} of agent {self.agent_id!r} was canceled"
            raise RunCanceled(message, {"run_id": result.run_id})
        agent = result.view.get("agent") or {}
        return AgentResult(
            text=agent.get("text") or "",
            output=result.output if not isinstance(result.output, str) else None,
            tool_calls=list(agent.get("tool_calls") or ()),
            steps=list(agent.get("steps") or ()),
            usage=result.usage,
            finish_reason=agent.get("finish_reason") or "stop",
            run_id=result.run_id,
            trace_id=result.trace_id,
            run=result,
        )

    async def stream(self, prompt: Any, **options: Any) -> AsyncIterator[AgentChunk]:
        """Yield the agent's chunks as they come; ends with the run, or when it waits for an approval."""
        run = await self.start(prompt, **options)
        async for chunk in self.chunks_of(run):
            yield chunk

    async def chunks_of(self, run: "RunHandle", after: int = 0) -> AsyncIterator[AgentChunk]:
        """Yield the chunks of a run of this agent; ends with the run, or when it waits for somebody."""
        async for event in run.events(after=after):
            if event.type.startswith("agent_"):
                data = event.data if isinstance(event.data, dict) else {}
                is_delta = event.type == "agent_text_delta"
                text = str(data.get("text", "")) if is_delta else ""
                yield AgentChunk(type=event.type.removeprefix("agent_"), text=text, path=event.path, data=event.data)
            elif event.type == "run_finished":
                yield AgentChunk(type="finish", data=event.data)
            elif event.type in {"run_suspended", "run_paused"}:
                return

    async def approve(
        self, run_id: str, tool_call_id: str, arguments: dict[str, Json] | None = None, args_hash: str | None = None
    ) -> None:
        """Let a tool call run, once, with its arguments or edited ones.

        Raises:
            NotFound, AlreadyClaimed, InvalidInput: Unknown id, settled before, or another hash.
        """
        request = requests.Settle(
            workspace=self._runtime.workspace,
            run_id=run_id,
            tool_call_id=tool_call_id,
            approved=True,
            arguments=arguments,
            args_hash=args_hash,
        )
        await self._runtime.link.call(request)

    async def decline(self, run_id: str, tool_call_id: str, reason: str = "") -> None:
        """Refuse a tool call; the agent goes on with the refusal."""
        request = requests.Settle(
            workspace=self._runtime.workspace, run_id=run_id, tool_call_id=tool_call_id, approved=False, reason=reason
        )
        await self._runtime.link.call(request)
