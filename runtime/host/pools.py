"""The workers of every bundle, by pool, and who executes what.

A pool begins to exist when the first item is for it. Items wait while its workers start; when they cannot be started
because a bundle's code is missing, the items keep waiting and `problems` says what is missing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import chain

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.contracts.ports import BundleUnavailable, Clock, Spawner, WorkerLink, WorkerLost, WorkerSpec
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import AttemptId, CallAnswer, Report, Scope, WorkItem
from greenroom.runtime.core.dispatch import ALONE
from greenroom.runtime.host.desk import WorkerDesk
from greenroom.runtime.host.line import Line

RESPAWN_S = 1.0
"""Wait before a worker that could not be started is tried again; doubles up to `MAX_RESPAWN_S`."""

MAX_RESPAWN_S = 30.0

MISSING_S = 30.0
"""Wait before a bundle whose code could not be loaded is tried again, while something waits for it."""

MAX_ALONE = 8
"""Most workers of a bundle that are there for one body each."""

log = logging.getLogger("greenroom.pools")

OnReports = Callable[[tuple[Report, ...]], Awaitable[None]]
OnLost = Callable[[list[tuple[str, str, int]]], Awaitable[None]]


class Pools:
    """All workers of one runtime.

    Args:
        spawner: Makes and finds workers.
        clock: Time.
        sizes: Workers per pool name; `default` for the others.
        models: Providers for agents.
        max_threads: Synchronous bodies at once, per worker.
        confirm: Raises StorageError when the store is not this runtime's any more.
        weights: Shares of workspaces.
    """

    def __init__(
        self,
        spawner: Spawner,
        clock: Clock,
        *,
        sizes: dict[str, int],
        models: dict[str, Json],
        max_threads: int,
        confirm: Callable[[], Awaitable[None]],
        weights: dict[str, float] | None = None,
    ) -> None:
        self._spawner = spawner
        self._clock = clock
        self._sizes = sizes
        self._models = models
        self._max_threads = max_threads
        self._confirm = confirm
        self._weights = weights or {}
        self._epoch = 0
        self._desks: dict[tuple[str, str], list[WorkerDesk]] = {}
        self._lines: dict[tuple[str, str], Line] = {}
        self._sources: dict[str, BundleSource] = {}
        self._starting: dict[tuple[str, str], int] = {}
        self._holders: dict[tuple[str, str], WorkerDesk] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_reports: OnReports | None = None
        self._on_lost: OnLost | None = None
        self._missing: set[tuple[str, str]] = set()
        self._deaths = 0
        self.problems: dict[str, str] = {}

    async def open(self, epoch: int, on_reports: OnReports, on_lost: OnLost) -> dict[tuple[str, str], int]:
        """Take over the living workers; return the attempts they have: (run, path) to attempt number."""
        self._epoch, self._on_reports, self._on_lost = epoch, on_reports, on_lost
        living: dict[tuple[str, str], int] = {}
        for link in await self._spawner.adopt():
            desk = self._desk(link)
            try:
                reports = await desk.attach()
            except WorkerLost:
                self._deaths += 1
                continue
            self._desks.setdefault((link.bundle, link.pool), []).append(desk)
            for place, attempt in desk.running.items():
                if attempt > living.get(place, 0):
                    living[place] = attempt
                    self._holders[place] = desk
            for report in reports:
                place = (report.run_id, report.path)
                living[place] = max(living.get(place, 0), report.attempt)  # of an older one the runtime may know
        if self._deaths:
            self._doubt_all()
        for place in list(self._desks):
            self._ensure(place)
        return living

    def running(self) -> list[AttemptId]:
        """Return the attempts that workers have in hand."""
        return [
            AttemptId(run_id=run_id, path=path, attempt=attempt)
            for desks in self._desks.values()
            for desk in desks
            for (run_id, path), attempt in desk.running.items()
        ]

    def know(self, bundle: str, source: BundleSource) -> None:
        """Note where a bundle's code comes from; start what waited for it."""
        self._sources[bundle] = source
        self.problems.pop(bundle, None)
        self._missing = {place for place in self._missing if place[0] != bundle}
        for place, line in list(self._lines.items()):
            if place[0] == bundle and len(line):
                self._ensure(place)

    def prestart(self, bundle: str, pools: tuple[str, ...]) -> None:
        """Start workers now, so that the first run does not wait for them."""
        for pool in pools:
            self._ensure((bundle, pool))

    def dispatch(self, pool: str, scope: Scope, item: WorkItem, priority: int = 0) -> None:
        """Give an item to the least busy worker of its pool, of those that react; without room it waits its turn."""
        place = (item.bundle, pool)
        line = self._lines.get(place)
        if line is None or not len(line):
            desk = self._free_desk(place, is_threaded=item.options.is_threaded)
            if desk is not None:
                self._give(desk, scope, item)
                return
        if line is None:
            line = self._lines[place] = Line(self._weights)
        line.push(scope, item, priority)
        if pool == ALONE or not self._desks.get(place):
            self._ensure(place)
        self._drain(place)

    def cancel(self, attempt: AttemptId) -> None:
        """Stop an attempt, wherever it is."""
        place = (attempt.run_id, attempt.path)
        holder = self._holders.get(place)
        desk = self._running_at(attempt) or holder
        if desk is holder:
            self._holders.pop(place, None)
        if desk is not None:
            desk.cancel(attempt)
            self._drain((desk.link.bundle, desk.link.pool))
            return
        for line in self._lines.values():
            line.cancel(attempt)

    def _running_at(self, attempt: AttemptId) -> WorkerDesk | None:
        """Return where an attempt runs: an older one of a step runs elsewhere than the newest until it is stopped."""
        place = (attempt.run_id, attempt.path)
        holder = self._holders.get(place)
        if holder is not None and holder.running.get(place) == attempt.attempt:
            return holder
        every = (desk for desks in self._desks.values() for desk in desks)
        return next((desk for desk in every if desk.running.get(place) == attempt.attempt), None)

    def answer(self, answer: CallAnswer) -> None:
        """Give a body the answer it waits for."""
        desk = self._holders.get((answer.run_id, answer.path))
        if desk is not None:
            desk.answer(answer)

    def rest(self, run_id: str, path: str) -> None:
        """Take notice that a body waits for something it has called: it takes nobody's room meanwhile."""
        desk = self._holders.get((run_id, path))
        if desk is not None:
            desk.rest((run_id, path))
            self._drain((desk.link.bundle, desk.link.pool))

    def forget(self, run_id: str, path: str) -> None:
        """Forget who executed an attempt that has ended; who waits for its room gets it."""
        desk = self._holders.pop((run_id, path), None)
        if desk is not None:
            self._drain((desk.link.bundle, desk.link.pool))

    def holds(self, run_id: str, path: str) -> bool:
        """Tell whether a worker was given the newest attempt at a path."""
        return (run_id, path) in self._holders

    def bundles(self) -> list[str]:
        """Return the bundles that have workers."""
        return sorted({bundle for (bundle, _), desks in self._desks.items() if desks})

    async def retire(self, bundle: str, pool: str | None = None) -> list[str]:
        """Stop a bundle's workers, or those of one pool, if they have nothing to do; return their names.

        New work makes new ones.
        """
        places = [place for place in self._desks if place[0] == bundle and pool in {None, place[1]}]
        desks = [desk for place in places for desk in self._desks[place]]
        is_wanted = any(self._count(place) or self._starting.get(place) for place in places)
        if is_wanted or not all(desk.is_quiet for desk in desks):
            return []
        for place in places:
            del self._desks[place]
        await asyncio.gather(*(desk.close() for desk in desks))
        await asyncio.gather(*(desk.link.stop() for desk in desks), return_exceptions=True)
        return [desk.link.name for desk in desks]

    def describe(self) -> list[dict[str, Json]]:
        """Return every worker with its load, for people."""
        return [
            {"name": desk.link.name, "pool": pool, "bundle": bundle, "load": desk.load}
            for (bundle, pool), desks in self._desks.items()
            for desk in desks
        ]

    async def close(self, *, stop_workers: bool) -> None:
        """Stop talking to workers; end them too, if asked."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        desks = [desk for desks in self._desks.values() for desk in desks]
        await asyncio.gather(*(desk.close() for desk in desks))
        if stop_workers:
            await asyncio.gather(*(desk.link.stop() for desk in desks), return_exceptions=True)
        self._desks.clear()

    def _ensure(self, place: tuple[str, str]) -> None:
        if place in self._missing:
            return  # somebody tries again already
        pool = place[1]
        size = self._sizes.get(pool, self._sizes.get("default", 1)) if pool != ALONE else self._alone(place)
        missing = size - len(self._desks.get(place, ())) - self._starting.get(place, 0)
        for number in range(missing):
            self._starting[place] = self._starting.get(place, 0) + 1
            task = asyncio.create_task(self._spawn(place, number), name=f"spawn {pool} {number}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _alone(self, place: tuple[str, str]) -> int:
        """Return how many workers there must be for bodies that run alone: one for each."""
        busy = sum(1 for desk in self._desks.get(place, ()) if desk.running)
        return min(MAX_ALONE, busy + self._count(place))

    async def _spawn(self, place: tuple[str, str], number: int) -> None:
        """Start a worker and take it into use, if the store is still ours.

        A runtime that takes the store over attaches the workers that there are, and those then refuse older runtimes.
        It does not know of one that starts meanwhile, which would execute what the new runtime has given to others.
        """
        bundle, pool = place
        wait_s = RESPAWN_S
        try:
            while True:
                spec = WorkerSpec(
                    pool=pool,
                    bundle=bundle,
                    number=number,
                    source=self._sources.get(bundle, BundleSource()),
                    models=self._models,
                    max_threads=self._max_threads,
                )
                try:
                    link, deaths = await self._spawner.spawn(spec), self._deaths
                    desk = self._desk(link)
                    await desk.attach()
                    await self._confirm()
                except StorageError as error:
                    log.warning("a worker for %s is not used: %s", place, error)
                    return
                except BundleUnavailable as error:
                    self.problems[bundle] = str(error)
                    log.warning("bundle %s cannot be loaded: %s", bundle, error)
                    if place in self._missing:
                        return  # another one tries again
                    self._missing.add(place)
                    await self._clock.sleep_until(self._clock.now() + MISSING_S)
                    if place not in self._missing:
                        return  # somebody said where the code is
                    self._missing.discard(place)
                    if not self._count(place):
                        return
                    continue
                except WorkerLost as error:
                    log.warning("a worker for %s died while starting: %s", place, error)
                    await self._clock.sleep_until(self._clock.now() + wait_s)
                    wait_s = min(MAX_RESPAWN_S, wait_s * 2)
                    continue
                break
        finally:
            self._starting[place] -= 1
        self.problems.pop(bundle, None)
        self._desks.setdefault(place, []).append(desk)
        if self._deaths > deaths:
            desk.doubt()
        self._ensure(place)
        self._drain(place)

    def _count(self, place: tuple[str, str]) -> int:
        """Return how many items wait for a worker."""
        line = self._lines.get(place)
        return len(line) if line is not None else 0

    def _free_desk(self, place: tuple[str, str], *, is_threaded: bool) -> WorkerDesk | None:
        """Return the least busy worker with room, of those that react if any does, or None."""
        free = [
            desk
            for desk in self._desks.get(place, ())
            if desk.has_room(is_threaded=is_threaded, max_threads=self._max_threads)
        ]
        return min(free, key=lambda desk: (desk.is_silent, desk.load), default=None)

    def _drain(self, place: tuple[str, str]) -> None:
        """Give what waits to workers with room."""
        line = self._lines.get(place)
        if line is None or not len(line):
            return
        for is_threaded in (False, True):
            while (desk := self._free_desk(place, is_threaded=is_threaded)) is not None:
                waiting = line.pop(is_threaded=is_threaded)
                if waiting is None:
                    break
                self._give(desk, *waiting)

    def _give(self, desk: WorkerDesk, scope: Scope, item: WorkItem) -> None:
        self._holders[scope.run_id, item.path] = desk
        desk.give(scope, item)

    def _desk(self, link: WorkerLink) -> WorkerDesk:
        return WorkerDesk(link, self._epoch, self._reported, self._worker_lost, self._clock, on_proved=self._proved)

    async def _reported(self, _desk: WorkerDesk, reports: tuple[Report, ...]) -> None:
        if self._on_reports is not None:
            await self._on_reports(reports)

    def _proved(self, desk: WorkerDesk) -> None:
        self._drain((desk.link.bundle, desk.link.pool))

    def _doubt_all(self) -> None:
        """Give no worker anything until it has answered: several die at once and it is told one by one.

        Else what one had in hand would go to the next, and die again of the same cause.
        """
        for desk in chain.from_iterable(self._desks.values()):
            desk.doubt()

    async def _worker_lost(self, desk: WorkerDesk) -> None:
        place = (desk.link.bundle, desk.link.pool)
        log.warning("worker %s died with %d attempts", desk.link.name, desk.load)
        desks = self._desks.get(place, [])
        if desk in desks:
            desks.remove(desk)
        self._deaths += 1
        self._doubt_all()
        lost = [(run_id, path, attempt) for (run_id, path), attempt in desk.running.items()]
        for run_id, path, _ in lost:
            self._holders.pop((run_id, path), None)
        self._ensure(place)
        if self._on_lost is not None:
            await self._on_lost(lost)
