"""A balance is read once and kept: every entry counts in it, and counts once."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from greenroom import Agent, App
from greenroom.runtime.contracts.records import LedgerRow, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.memory import MemoryStorage
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, said


class Ledgers(MemoryStorage):
    """Counts how often the ledger is read, and holds back what was read.

    Attributes:
        scans: How often.
        gate: What was read is not shown before it is open.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scans = 0
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages."""
        pages = [page async for page in super().scan(table, query)]
        if table is Table.LEDGER:
            self.scans += 1
            self.reached.set()
            await self.gate.wait()
        for page in pages:
            yield page


def app() -> App:
    """Return an app whose agent costs 100 micros a turn."""
    return App(agents=[Agent(id="writer", instructions="", model="m/m")])


def turns() -> ScriptedTurns:
    """Answer anything."""
    return ScriptedTurns(lambda _request: said("Done."))


async def summed(store: MemoryStorage) -> int:
    """Return the sum of every entry in the store."""
    rows = [row async for page in MemoryStorage.scan(store, Table.LEDGER, Query()) for row in page]
    return sum(row.amount_micros for row in rows if isinstance(row, LedgerRow))


async def test_a_balance_is_read_once_and_follows_every_entry() -> None:
    """Grants and charges, from the first question on; after a restart it is read again and is the same."""
    store = Ledgers()
    async with Harness(app(), turns=turns(), storage=store) as harness:
        await harness.client.ledger.grant(1000, key="a")
        for life in (1, 2, 3):
            for _ in range(3):
                before = await harness.client.ledger.balance()
                await harness.client.agent("writer").generate("Hello", timeout_s=5)
                assert await harness.client.ledger.balance() == before - 100
            await harness.client.ledger.grant(50, key=f"life {life}")
            assert await harness.client.ledger.balance() == await summed(store) == 1000 + life * (50 - 300)
            assert store.scans == life
            await harness.crash()


async def test_an_entry_that_is_made_while_the_ledger_is_read_counts_once() -> None:
    """Whether the reading shows it or not: before it, during it, and from then on."""
    store = Ledgers()
    async with Harness(app(), turns=turns(), storage=store) as harness:
        await harness.client.ledger.grant(1000, key="a")
        store.gate.clear()
        asked = asyncio.ensure_future(harness.client.ledger.balance())
        await store.reached.wait()
        await harness.client.agent("writer").generate("Hello", timeout_s=5)
        await harness.client.ledger.grant(7, key="b")
        store.gate.set()
        assert await asyncio.wait_for(asked, 5) == 907
        assert await harness.client.ledger.balance() == await summed(store) == 907


class LateAnswers(Ledgers):
    """Keeps entries of the ledger, and answers their appends only when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()
        self.kept = asyncio.Event()

    async def append(self, records: Sequence[Record]) -> int:
        """Keep the records."""
        seq = await super().append(records)
        if any(isinstance(record, LedgerRow) for record in records):
            self.kept.set()
            await self.answer.wait()
        return seq


async def test_an_entry_whose_append_is_not_answered_yet_counts_once() -> None:
    """The reading shows it already; it counts when it is acknowledged."""
    store = LateAnswers()
    async with Harness(app(), storage=store) as harness:
        granting = asyncio.ensure_future(harness.client.ledger.grant(1000, key="a"))
        await store.kept.wait()
        assert await harness.client.ledger.balance() == 0
        store.answer.set()
        await granting
        assert await harness.client.ledger.balance() == await summed(store) == 1000


class SlowLedgers(MemoryStorage):
    """Takes its time for entries of the ledger."""

    async def append(self, records: Sequence[Record]) -> int:
        """Keep the records, entries of the ledger a little later."""
        if any(isinstance(record, LedgerRow) for record in records):
            await calm(20)
        return await super().append(records)


async def test_concurrent_grants_with_one_key_count_once() -> None:
    """In the ledger and in the balance that was known before."""
    async with Harness(app(), storage=SlowLedgers()) as harness:
        assert await harness.client.ledger.balance() == 0
        await asyncio.gather(*(harness.client.ledger.grant(100, key="a") for _ in range(16)))
        await calm()
        assert await harness.client.ledger.balance() == await summed(harness.storage) == 100


class SlidingLedgers(MemoryStorage):
    """Reads a whole ledger in two pages: what is there, and, when the gate opens, what has come since."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    async def scan(self, table: Table, query: Query) -> AsyncIterator[Sequence[Record]]:
        """Yield pages."""
        pages = [page async for page in super().scan(table, query)]
        for page in pages:
            yield page
        if table is Table.LEDGER and not query.where:
            self.reached.set()
            await self.gate.wait()
            shown = [row for page in pages for row in page]
            yield [row async for page in super().scan(table, query) for row in page if row not in shown]


async def test_a_run_that_is_deleted_while_the_ledger_is_read_counts_once() -> None:
    """Its charges are replaced by entries without a name, and both may have been read."""
    store = SlidingLedgers()
    async with Harness(app(), turns=turns(), storage=store) as harness:
        await harness.client.ledger.grant(1000, key="a")
        run = await harness.client.agent("writer").start("Hello")
        await run.result(timeout_s=5)
        asked = asyncio.ensure_future(harness.client.ledger.balance())
        await store.reached.wait()
        await run.delete()
        store.gate.set()
        assert await asyncio.wait_for(asked, 5) == await summed(store) == 900
