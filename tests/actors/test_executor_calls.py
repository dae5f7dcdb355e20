"""What bodies ask of the runtime while they run, and bodies that run in other processes."""

from typing import Any

from greenroom.actors.executor import AttemptLostError
from greenroom.runtime.contracts.entries import Failed, Outcome, Parked, Succeeded
from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.plan import StepOptions
from greenroom.runtime.contracts.work import Answer, Call, CallAnswer, Chunk, Finished, Lost, WorkItem
from greenroom.runtime.definitions.context import StepContext
from tests.actors.desk import Desk, OpenDesk, body_of, echo, work


async def test_a_durable_chunk_returns_when_it_is_acknowledged(open_desk: OpenDesk) -> None:
    """The body goes on only after the chunk is in the journal."""

    async def tell(_: Any, ctx: StepContext) -> str:
        await ctx.write({"n": 1}, durable=True)
        return "written"

    desk = open_desk(body_of(tell, takes_context=True))
    (chunk,) = (await desk.exchange(work("tell"))).reports
    assert isinstance(chunk, Chunk)
    assert chunk.durable
    (finished,) = (await desk.exchange(acked=1)).reports
    assert isinstance(finished, Finished)
    assert finished.outcome == Succeeded(output="written")


async def test_a_call_waits_for_its_answer(open_desk: OpenDesk) -> None:
    """The body's call is reported with its path segment, and the answer is what the call returns."""

    async def ask(_: Any, ctx: StepContext) -> Any:
        first = await ctx.agent("writer").generate("one", temperature=0)
        second = await ctx.agent("writer").generate("two")
        return [first, second]

    desk = open_desk(body_of(ask, takes_context=True))
    (call,) = (await desk.exchange(work("ask"))).reports
    assert call == Call(
        run_id="run-1",
        path="ask",
        attempt=1,
        name="writer",
        kind="agent",
        target="writer",
        input="one",
        options={"temperature": 0},
    )
    answer = CallAnswer(run_id="run-1", path="ask", attempt=1, name="writer", answer=Answer(status="ok", output="1"))
    (second,) = (await desk.exchange(answers=(answer,))).reports
    assert isinstance(second, Call)
    assert second.name == "writer#2"
    again = CallAnswer(run_id="run-1", path="ask", attempt=1, name="writer#2", answer=Answer(status="ok", output="2"))
    (finished,) = (await desk.exchange(answers=(answer, again))).reports
    assert isinstance(finished, Finished)
    assert finished.outcome == Succeeded(output=["1", "2"])


async def test_a_call_that_fails_raises_and_one_that_is_parked_parks(open_desk: OpenDesk) -> None:
    """A body may catch the child's error; it cannot hold on to a child that is suspended."""

    async def ask(_: Any, ctx: StepContext) -> Any:
        try:
            return await ctx.tool("search").execute({"q": 1})
        except NotFound as error:
            return error.facts

    def answer(path: str, answer: Answer) -> CallAnswer:
        return CallAnswer(run_id="run-1", path=path, attempt=1, name="search", answer=answer)

    desk = open_desk(body_of(ask, takes_context=True))
    await desk.exchange(work("ask", path="a"), work("ask", path="b"))
    failed = Answer(status="error", error=NotFound("no tool", {"id": "search"}).to_json())
    reply = await desk.exchange(answers=(answer("a", failed), answer("b", Answer(status="parked"))))
    outcomes = {report.path: report.outcome for report in reply.reports if isinstance(report, Finished)}
    assert outcomes == {"a": Succeeded(output={"id": "search"}), "b": Parked(on="search")}


async def test_an_open_call_is_told_again_to_the_next_runtime(open_desk: OpenDesk) -> None:
    """A call that was not durable yet is not lost with the runtime, and its body waits on."""

    async def ask(_: Any, ctx: StepContext) -> Any:
        return await ctx.workflow("inner").run({"n": 1})

    old = open_desk(body_of(ask, takes_context=True))
    await old.exchange(work("ask"))
    new = Desk(old.executor, epoch=2)
    attached = new.attach()
    assert [type(report) for report in attached.reports] == [Call]
    answer = CallAnswer(run_id="run-1", path="ask", attempt=1, name="inner", answer=Answer(status="ok", output=5))
    (finished,) = (await new.exchange(answers=(answer,), acked=attached.number)).reports
    assert isinstance(finished, Finished)
    assert finished.outcome == Succeeded(output=5)


class ElsewhereTasks:
    """Tasks of another process, by hand."""

    def __init__(self, result: Outcome | Exception) -> None:
        self.result = result
        self.items: list[WorkItem] = []

    async def run(self, item: WorkItem, *_: Any) -> tuple[Outcome, dict[str, Any]]:
        self.items.append(item)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result, {"k": 1}


async def test_bodies_that_ask_for_resources_run_as_tasks(open_desk: OpenDesk) -> None:
    """Others stay here; the task's outcome and state are reported as if it had run here."""
    tasks = ElsewhereTasks(Succeeded(output="there"))
    desk = open_desk(body_of(echo), tasks=tasks)
    (finished,) = await desk.finish(work("echo", options=StepOptions(num_cpus=2)))
    assert (finished.outcome, finished.patch) == (Succeeded(output="there"), {"k": 1})
    assert await desk.outcome(work("echo", "here", path="b")) == Succeeded(output="here")
    assert len(tasks.items) == 1


async def test_a_task_whose_process_died_is_reported_lost(open_desk: OpenDesk) -> None:
    """There is no outcome to tell; whatever else went wrong there is the attempt's failure."""
    desk = open_desk(body_of(echo), tasks=ElsewhereTasks(AttemptLostError()))
    (lost,) = (await desk.exchange(work("echo", options=StepOptions(num_gpus=1)))).reports
    assert lost == Lost(run_id="run-1", path="echo", attempt=1)
    assert desk.attach().reports == (lost,)
    broken = open_desk(body_of(echo), tasks=ElsewhereTasks(ImportError("no module")))
    assert isinstance(await broken.outcome(work("echo", options=StepOptions(num_gpus=1))), Failed)
