"""What is killed, when and how, decided by a seed before anything starts; and the carrying out."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from tests.kills.notes import Notes
from tests.kills.stage import Stage, kill
from tests.kills.waiting import until

Victim = Literal["worker", "runtime", "both", "node", "recovering"]

SHARES: Final[dict[Victim, int]] = {"worker": 6, "runtime": 4, "both": 3, "recovering": 3, "node": 1}
"""How many of each are in the bag that is drawn from: every kind comes before any comes more often."""

PAUSE_S: Final = (0.5, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One kill.

    Attributes:
        victim: `both` is the runtime and a worker at once; `recovering` the runtime while it recovers from the blow
            before, which hit it as well.
        pause_s: Wait before it; of `recovering`, counted from the first sign of a new life.
        which: Chooses among several of a kind, from 0 to 1.
    """

    victim: Victim
    pause_s: float
    which: float


def plan(seed: int, kills: int) -> list[Blow]:
    """Return so many blows. The same seed gives the same."""
    chance = random.Random(seed)
    blows = _endless(chance)
    return [next(blows) for _ in range(kills)]


def _endless(chance: random.Random) -> Iterator[Blow]:
    while True:
        bag: list[Victim] = [victim for victim, share in SHARES.items() for _ in range(share)]
        chance.shuffle(bag)
        for victim in bag:
            if victim == "recovering":
                before: Victim = "both" if chance.random() < 0.5 else "runtime"
                yield Blow(victim=before, pause_s=chance.uniform(*PAUSE_S), which=chance.random())
                yield Blow(victim=victim, pause_s=chance.random() ** 2, which=chance.random())
            else:
                yield Blow(victim=victim, pause_s=chance.uniform(*PAUSE_S), which=chance.random())


class Killer:
    """Carries blows out.

    Attributes:
        done: How many of each kind.
    """

    def __init__(self, stage: Stage, notes: Notes) -> None:
        self._stage = stage
        self._notes = notes
        self._last_runtime = 0
        self.done: Counter[str] = Counter()

    async def carry_out(self, blow: Blow) -> None:
        """Wait as long as the blow says, and kill."""
        if blow.victim == "recovering":
            await until(self._other_runtime)
        await asyncio.sleep(blow.pause_s)
        match blow.victim:
            case "worker":
                self._kill([await self._worker(blow.which)], "worker")
            case "runtime" | "recovering":
                self._kill([await self._runtime()], "runtime")
            case "both":
                self._kill([await self._runtime(), await self._worker(blow.which)], "both")
            case "node":
                await self._node(blow.which)
        self.done[blow.victim] += 1

    def _kill(self, pids: list[int], what: str) -> None:
        for pid in pids:
            kill(pid)
        # Noted when it is dead: what comes behind this line was not its doing.
        self._notes.add("killed", what=what)

    def _other_runtime(self) -> list[int]:
        return [pid for pid in self._stage.runtimes() if pid != self._last_runtime]

    async def _runtime(self) -> int:
        self._last_runtime = (await until(self._other_runtime))[0]
        return self._last_runtime

    async def _worker(self, which: float) -> int:
        workers = await until(self._stage.workers)
        return workers[int(which * len(workers))]

    async def _node(self, which: float) -> None:
        nodes = sorted(self._stage.nodes)
        node = nodes[int(which * len(nodes))]
        self._stage.kill_node(node)
        self._notes.add("killed", what="node")
        # On this thread, though customers wait meanwhile: Ray sets handlers of signals for a node that it starts.
        self._stage.bury(node)
        self._stage.add_node()
