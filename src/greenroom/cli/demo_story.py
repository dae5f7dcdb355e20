"""The demo's story, act by act. Every claim it makes is taken from what the runtime answered, and checked."""

import asyncio
import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenroom.cli import serving
from greenroom.cli.demo_claims import are_real, do_overlap, sections_of
from greenroom.cli.demo_http import Browser
from greenroom.cli.demo_stage import Stage
from greenroom.cli.failures import CommandFailed
from greenroom.cli.processes import Watch, kill_all
from greenroom.cli.target import load_target
from greenroom.settings import has_real_model, load_config

if TYPE_CHECKING:
    from greenroom.runtime.contracts.config import Config

BACK_WITHIN_S: Final = 60.0
ACT_LIMIT_S: Final = 90.0
REST: Final = frozenset({"run_suspended", "run_finished"})
MAX_NAME: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What the demo is about.

    Attributes:
        documents: Folder with documents, absolute; empty takes the installed packages.
        out: Folder the brief is copied to.
    """

    target: str
    documents: str
    question: str
    out: Path

    @property
    def name(self) -> str:
        """File name of the brief."""
        return re.sub(r"[^a-z0-9]+", "-", self.question.lower()).strip("-")[:MAX_NAME].strip("-") or "brief"


@dataclass(slots=True, kw_only=True)
class Scene:
    """Where the story plays: what is up, and what is known so far."""

    plot: Plot
    stage: Stage
    folder: Path
    up: serving.Serving
    browser: Browser
    watch: Watch
    run_id: str = ""
    seq: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


async def tell(plot: Plot, *, is_quiet: bool) -> dict[str, Any]:
    """Play the story and return its facts; `ok` is false if a claim did not hold or a process is left."""
    stage = Stage(is_quiet=is_quiet)
    _listen()
    # Ray's sockets need a short path.
    folder = Path(tempfile.mkdtemp(prefix="gr-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))  # noqa: S108 - as above
    watch = Watch(marks=[str(folder)])
    began = time.monotonic()
    facts: dict[str, Any] = {"ok": False}
    try:
        facts = await _play(plot, stage, folder, watch)
    finally:
        left = await asyncio.to_thread(watch.left)
        kill_all({process.pid for process in left})
        shutil.rmtree(folder, ignore_errors=True)
    facts["seconds"] = round(time.monotonic() - began, 1)
    facts["left"] = [{"pid": process.pid, "command": process.command} for process in left]
    facts["ok"] = all(facts["claims"].values()) and not left
    stage.close(facts)
    return facts


async def _play(plot: Plot, stage: Stage, folder: Path, watch: Watch) -> dict[str, Any]:
    config = _config(plot, folder)
    app = load_target(plot.target, config)
    model = "the model of your environment" if has_real_model() else "rehearsal, a stand-in that needs no key"
    stage.open(plot.question, plot.documents or "the descriptions of the installed packages", model)
    with stage.act("Starting Ray, the runtime and HTTP"):
        up = await serving.start(config, app, plot.target)
    _listen()  # again: Ray has put a handler of its own in front
    watch.look()
    scene = Scene(plot=plot, stage=stage, folder=folder, up=up, browser=Browser(up.running.http), watch=watch)
    try:
        stage.note(f"{up.running.http} – the store is {up.running.storage}")
        await _start_and_follow(scene)
        await _kill_and_wait(scene)
        await _resume_and_finish(scene)
    finally:
        watch.look()
        await scene.browser.close()
        with stage.act("Stopping everything"):
            await serving.stop(up)
    return scene.facts


def _listen() -> None:
    """Let Ctrl-C and SIGTERM end the story where it is, so that everything is stopped."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _config(plot: Plot, folder: Path) -> "Config":
    config = load_config({"storage": f"file://{folder}/store"})
    runtime = config.runtime.model_copy(update={"ray_temp_dir": str(folder / "r"), "address": None})
    serve = config.serve.model_copy(update={"host": "127.0.0.1", "port": 0, "replicas": 1, "auth": "none"})
    alone = config.model_copy(update={"root": str(folder), "app": plot.target, "runtime": runtime, "serve": serve})
    return serving.settle_port(alone)


async def _start_and_follow(scene: Scene) -> None:
    plot, stage = scene.plot, scene.stage
    body = {
        "text": plot.question,
        "documents": plot.documents,
        "folder": str(scene.folder / "briefs"),
        "name": plot.name,
    }
    started = await scene.browser.post("/api/workflows/briefing/start", {"inputData": body}, key="demo-start")
    scene.run_id = str(started["runId"])
    stage.note(f"POST /api/workflows/briefing/start → run {scene.run_id}")
    await _follow(scene)
    run = await _run(scene)
    if run["status"] != "suspended":
        raise CommandFailed(f"the run is {run['status']}, not suspended: {_why(run)}")
    sections = sections_of(run, scene.facts.pop("workers"))
    workers = {section["worker"] for section in sections if section["worker"]}
    scene.facts |= {
        "run_id": scene.run_id,
        "trace_id": run["traceId"],
        "sections": sections,
        "claims": {
            "started_over_http": True,
            "sections_overlapped": do_overlap(sections),
            # A real model takes its time, and one worker may be free for every search in turn.
            "on_different_workers": len(workers) > 1 or has_real_model(),
            "suspended": True,
        },
        "sent_back": run["suspendPayload"]["review"]["sent_back"],
    }
    stage.show_sections(sections)
    stage.show_review(run["suspendPayload"]["review"])


async def _follow(scene: Scene) -> None:
    """Show the run until it ends or waits.

    Raises:
        CommandFailed: It takes too long; the message says what the runtime says is missing.
    """
    try:
        async with asyncio.timeout(ACT_LIMIT_S):
            await _show(scene)
    except TimeoutError:
        problems = (await scene.up.client.status()).get("problems") or {}
        reason = "; ".join(map(str, problems.values())) or "the runtime names no problem"
        raise CommandFailed(f"the run did not get on within {ACT_LIMIT_S:g} s: {reason}") from None


async def _show(scene: Scene) -> None:
    """Show the run until it ends or waits; note which worker did which search."""
    workers: dict[str, int] = scene.facts.setdefault("workers", {})
    with scene.stage.following(scene.run_id) as feed:
        async with aclosing(scene.browser.events(scene.run_id, scene.seq)) as events:  # type: ignore[type-var]
            async for event in events:
                feed(event)
                scene.seq = max(scene.seq, event["seq"])
                if event["type"] == "step_output" and "worker" in (event["data"] or {}):
                    workers.setdefault(event["path"].split("/")[0], event["data"]["worker"])
                if event["type"] in REST:
                    return


async def _kill_and_wait(scene: Scene) -> None:
    """Kill the runtime's process as hard as it can be done, and see that nothing is lost."""
    import ray

    from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE

    actor: Any = ray.get_actor(ACTOR_NAME, namespace=NAMESPACE)
    pid = await actor.begin.remote()
    scene.watch.look()
    before = await _run(scene)
    began = time.monotonic()
    with scene.stage.act(f"Killing the runtime actor with SIGKILL (process {pid}) and waiting until it is back"):
        os.kill(pid, signal.SIGKILL)
        while (fresh := await _pid_of(actor)) in {pid, None}:
            if time.monotonic() - began > BACK_WITHIN_S:
                raise CommandFailed(f"the runtime was not back within {BACK_WITHIN_S:g} s")
            await asyncio.sleep(0.05)
        after = await _run(scene)
    seconds = round(time.monotonic() - began, 2)
    is_same = after["status"] == "suspended" and after["steps"] == before["steps"]
    scene.facts["runtime"] = {"killed_pid": pid, "new_pid": fresh, "back_s": seconds}
    scene.facts["claims"] |= {"runtime_came_back": fresh != pid, "still_suspended": is_same}
    scene.stage.note(f"back after {seconds} s as process {fresh}; the run is still {after['status']}, nothing is lost")


async def _pid_of(actor: Any) -> int | None:
    with suppress(Exception):  # until Ray has started it again, every call fails in one of many ways
        return int(await actor.begin.remote())
    return None


async def _resume_and_finish(scene: Scene) -> None:
    body = {"step": "review", "resumeData": {"approved": True, "note": "read in the demo"}}
    await scene.browser.post(f"/api/runs/{scene.run_id}/resume", body, key="demo-resume")
    scene.stage.note(f"POST /api/runs/{scene.run_id}/resume – approved")
    await _follow(scene)
    scene.facts.pop("workers", None)
    run = await _run(scene)
    if run["status"] != "success":
        raise CommandFailed(f"the run is {run['status']}: {_why(run)}")
    outcome, usage = run["output"], run["usage"]
    brief = _copy(outcome, scene.plot)
    text = brief.read_text("utf-8")
    scene.facts["claims"] |= {
        "resumed_over_http": True,
        "published": outcome["status"] == "published" and outcome["quotes"] > 0,
        "quotes_are_real": are_real(text, scene.plot.documents),
    }
    scene.facts |= {"brief": str(brief), "outcome": outcome, "usage": usage, "question": scene.plot.question}
    scene.stage.show_result(brief, text, outcome, usage, run["traceId"])


def _copy(outcome: dict[str, Any], plot: Plot) -> Path:
    plot.out.mkdir(parents=True, exist_ok=True)
    for name in (outcome["path"], outcome["cover"]):
        if name:
            shutil.copy(name, plot.out / Path(name).name)
    return plot.out / Path(outcome["path"]).name


async def _run(scene: Scene) -> dict[str, Any]:
    return await scene.browser.get(f"/api/runs/{scene.run_id}")


def _why(run: dict[str, Any]) -> str:
    error = run.get("error") or {}
    return f"{error.get('type')}: {error.get('message')}" if error else str(run.get("reason") or "it does not say why")
