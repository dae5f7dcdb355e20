"""What an executor makes of what bodies raise."""

import asyncio
from typing import Any

import pydantic
import pytest

from greenroom.runtime.contracts.entries import (
    ErrorInfo,
    Failed,
    Succeeded,
)
from greenroom.runtime.contracts.errors import NotFound
from tests.actors.desk import OpenDesk, body_of, error_of, work


async def test_an_error_keeps_type_message_attributes_and_causes(open_desk: OpenDesk) -> None:
    """What JSON can say of an exception is kept, private and unserialisable attributes are left out."""

    class CardDeclined(Exception):
        def __init__(self, message: str) -> None:
            super().__init__(message)
            self.reason = "limit"
            self.limit = {"eur": 100}
            self.handle = object()
            self._secret = "x"

    async def pay(_: Any) -> None:
        try:
            try:
                try:
                    raise KeyError("account")  # noqa: TRY301 - a chain is under test
                except KeyError:
                    raise LookupError("no account")  # noqa: B904 - the implicit context is under test
            except LookupError as inner:
                raise RuntimeError("gateway") from inner
        except RuntimeError as inner:
            raise CardDeclined("declined") from inner

    error = error_of(await open_desk(body_of(pay)).outcome(work("pay")))
    assert (error.type, error.message, error.attributes) == (
        "CardDeclined",
        "declined",
        {"reason": "limit", "limit": {"eur": 100}},
    )
    chain = []
    link: ErrorInfo | None = error
    while link is not None:
        chain.append(link.type)
        link = link.cause
    assert chain == ["CardDeclined", "RuntimeError", "LookupError", "KeyError"]


async def test_a_suppressed_context_is_no_cause(open_desk: OpenDesk) -> None:
    """`raise … from None` hides what came before."""

    async def hide(_: Any) -> None:
        try:
            raise KeyError("inner")  # noqa: TRY301 - a chain is under test
        except KeyError:
            raise ValueError("outer") from None

    assert error_of(await open_desk(body_of(hide)).outcome(work("hide"))).cause is None


async def test_own_errors_keep_code_and_facts(open_desk: OpenDesk) -> None:
    """An error of the library is known by its code on the other side."""

    async def find(_: Any) -> None:
        raise NotFound("no thread t-1", {"thread": "t-1"})

    error = error_of(await open_desk(body_of(find)).outcome(work("find")))
    assert (error.code, error.attributes) == ("not_found", {"thread": "t-1"})


async def test_retry_on_decides_what_may_be_repeated(open_desk: OpenDesk) -> None:
    """Without it every exception may; with it only those it names."""

    async def fail(name: str) -> None:
        raise {"os": ConnectionError, "value": ValueError}[name]("x")

    narrow = body_of(fail, retry_on=(OSError,))
    desk = open_desk(narrow)
    assert error_of(await desk.outcome(work("fail", "os"))).retryable
    assert not error_of(await desk.outcome(work("fail", "value", path="b"))).retryable
    assert error_of(await open_desk(body_of(fail)).outcome(work("fail", "value"))).retryable


async def test_input_that_does_not_fit_is_not_retryable_and_lists_its_fields(open_desk: OpenDesk) -> None:
    """Another attempt gets the same input."""

    class Order(pydantic.BaseModel):
        amount: int
        name: str

    async def take(order: Order) -> int:
        return order.amount

    desk = open_desk(body_of(take, input_type=Order))
    error = error_of(await desk.outcome(work("take", {"amount": "many"})))
    assert (error.code, error.retryable, len(error.attributes["issues"])) == ("invalid_input", False, 2)
    assert await desk.outcome(work("take", {"amount": 1, "name": "n"}, path="b")) == Succeeded(output=1)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration()])
@pytest.mark.parametrize("is_async", [True, False])
async def test_nothing_a_body_raises_ends_the_worker(open_desk: OpenDesk, error: BaseException, is_async: bool) -> None:
    """`sys.exit` in a step fails that step, and the worker goes on."""

    async def leave(_: Any) -> None:
        raise error

    def leave_thread(_: Any) -> None:
        raise error

    async def fine(_: Any) -> str:
        return "here"

    body = body_of(leave if is_async else leave_thread)
    desk = open_desk(body, body_of(fine))
    assert isinstance(await desk.outcome(work(body.key)), Failed)
    assert await desk.outcome(work("fine")) == Succeeded(output="here")


async def test_output_that_cannot_travel_fails_its_own_attempt_only(open_desk: OpenDesk) -> None:
    """A value that is no JSON, and an integer beyond 64 bits, are told as this body's failure."""

    async def give(what: str) -> Any:
        return {"object": object(), "big": 2**80, "fine": 1}[what]

    desk = open_desk(body_of(give))
    outcomes = {
        report.path: report.outcome
        for report in await desk.finish(*(work("give", what, path=what) for what in ("object", "big", "fine")))
    }
    assert isinstance(outcomes["object"], Failed)
    assert isinstance(outcomes["big"], Failed)
    assert outcomes["fine"] == Succeeded(output=1)


async def test_unknown_code_fails_the_attempt_and_names_it(open_desk: OpenDesk) -> None:
    """A plan that does not fit the code is told, and not repeated."""
    error = error_of(await open_desk().outcome(work("gone")))
    assert "gone" in error.message
    assert not error.retryable


async def test_without_a_blob_store_a_binary_value_is_refused(open_desk: OpenDesk) -> None:
    """The failure says what is missing."""

    async def make(_: Any) -> bytes:
        return b"x"

    assert error_of(await open_desk(body_of(make)).outcome(work("make"))).code == "storage_error"
