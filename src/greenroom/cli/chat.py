"""`greenroom chat`: talk with an agent, on a terminal or through a pipe."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from greenroom.cli.connection import AddressOption, WorkspaceOption, connect
from greenroom.cli.terminal import JsonFlag, brief, say, write_json_line

QUIT: Final = frozenset({"/quit", "/exit", "/q"})


def chat(
    agent: Annotated[str, typer.Argument(help="The agent's id.")],
    *,
    thread: Annotated[str | None, typer.Option("--thread", help="The conversation to go on with.")] = None,
    resource_id: Annotated[str | None, typer.Option("--resource", help="Who is talking.")] = None,
    address: AddressOption = None,
    workspace: WorkspaceOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Talk with an agent: one line is one message; /quit or the end of the input ends it."""
    with connect(address, workspace) as runtime:
        talk = _Talk(runtime, agent, thread=thread, resource_id=resource_id, as_json=as_json)
        talk.check()
        for line in _lines():
            if line in QUIT:
                break
            if line:
                talk.ask(line)


def _lines() -> Iterator[str]:
    while True:
        line = _read_line("\n> ")
        if line is None:
            return
        yield line.strip()


def _read_line(prompt: str) -> str | None:
    """Return a line of the input, None at its end; the prompt is for people only."""
    if sys.stdin.isatty():
        sys.stderr.write(prompt)
        sys.stderr.flush()
    line = sys.stdin.readline()
    return line or None


class _Talk:
    """One conversation. An agent that keeps no memory is sent what was said before."""

    def __init__(self, runtime: Any, agent: str, *, thread: str | None, resource_id: str | None, as_json: bool) -> None:
        self._runtime = runtime
        self._agent = agent
        self._thread = thread
        self._resource_id = resource_id
        self._as_json = as_json
        self._said: list[dict[str, str]] = []
        self._has_memory = False

    def check(self) -> None:
        """Make sure that there is such an agent.

        Raises:
            NotFound: There is none; the message lists those there are.
        """
        from greenroom.runtime.contracts.errors import NotFound

        agents = self._runtime.describe().get("agents") or {}
        if self._agent not in agents:
            known = ", ".join(agents) or "none"
            message = f"there is no agent {self._agent!r}; there are: {known}"
            raise NotFound(message)
        self._has_memory = bool(agents[self._agent].get("memory"))
        if self._has_memory and self._thread is None:
            self._thread = str(self._runtime.threads.create(resource_id=self._resource_id)["thread_id"])
        if sys.stdin.isatty():
            say(f"talking with {self._agent}; /quit ends it")

    def ask(self, text: str) -> None:
        """Send a message and show the answer as it comes."""
        self._said.append({"role": "user", "content": text})
        prompt: Any = text if self._has_memory or len(self._said) == 1 else {"messages": self._said}
        run = self._runtime.agent(self._agent).start(prompt, thread=self._thread, resource_id=self._resource_id)
        cursor = self._show(run, 0)
        while (result := run.result()).status == "suspended":
            self._settle(run, result)
            cursor = self._show(run, cursor)
        reply = str((result.view.get("agent") or {}).get("text") or "")
        self._said.append({"role": "assistant", "content": reply})
        if self._as_json:
            error = str(result.error) if result.error else None
            write_json_line(
                {"text": reply, "run_id": run.run_id, "status": result.status, "error": error, "usage": result.usage}
            )
        elif result.error is not None:
            say(f"greenroom: {result.error}")
        else:
            sys.stdout.write("\n")
            sys.stdout.flush()

    def _show(self, run: Any, after: int) -> int:
        """Show what a run says until it ends or waits; return the number of the last event seen."""
        for event in run.events(after=after):
            after = max(after, event.seq)
            data = event.data if isinstance(event.data, dict) else {}
            if event.type == "agent_text_delta" and not self._as_json:
                sys.stdout.write(str(data.get("text", "")))
                sys.stdout.flush()
            elif event.type == "agent_tool_call" and not self._as_json:
                say(f"· {data.get('tool')} {brief(data.get('arguments'))}")
            elif event.type in {"run_finished", "run_suspended"}:
                break
        return after

    def _settle(self, run: Any, result: Any) -> None:
        """Ask about every tool call that waits; no answer means no."""
        handle = self._runtime.agent(self._agent)
        for call in result.suspend_payload.values():
            question = f"{call.get('tool')} {brief(call.get('arguments'), 300)} – allow it? [y/N] "
            answer = _read_line(question) or ""
            if answer.strip().lower() in {"y", "yes"}:
                handle.approve(run.run_id, call["tool_call_id"], args_hash=call.get("args_hash"))
            else:
                handle.decline(run.run_id, call["tool_call_id"], "the user said no")
