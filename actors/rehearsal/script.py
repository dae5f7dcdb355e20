"""Scripts: answers and faults decided beforehand, for tests of whoever calls the model.

A script holds replies; each request takes the first one that fits it. It is shared between the server's thread and the
test's, so every change holds a lock. Knows no HTTP: the same replies come from Python and as JSON.
"""

from collections.abc import Iterable
from enum import StrEnum
from threading import Lock
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_REPLIES = 10_000
MAX_DELAY_S = 3600.0

Endpoint = Literal["chat", "embeddings", "images"]


class _Scripted(BaseModel):
    """Frozen and closed: a misspelt key in a script is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FaultKind(StrEnum):
    """The ways in which an answer goes wrong."""

    STATUS = "status"
    """An HTTP error instead of an answer."""
    STALL = "stall"
    """Some chunks, then nothing until the client goes away."""
    BREAK = "break"
    """Some chunks, then the connection is closed without an end."""
    MALFORMED_ARGUMENTS = "malformed_arguments"
    """Tool calls whose arguments are cut in the middle of their JSON."""
    SLOW = "slow"
    """A long wait before the first token."""


class Fault(_Scripted):
    """One fault; the constructors below say which fields belong to which."""

    kind: FaultKind
    status: int = Field(default=500, ge=400, le=599)
    retry_after_s: float | None = Field(default=None, ge=0)
    message: str = "a scripted fault"
    after_chunks: int = Field(default=1, ge=0)
    delay_s: float = Field(default=0.0, ge=0, le=MAX_DELAY_S)

    @classmethod
    def http(cls, status: int, *, retry_after_s: float | None = None, message: str = "a scripted fault") -> Self:
        """Answers with an HTTP error; `retry_after_s` is sent as the Retry-After header."""
        return cls(kind=FaultKind.STATUS, status=status, retry_after_s=retry_after_s, message=message)

    @classmethod
    def stall(cls, *, after_chunks: int = 1) -> Self:
        """Sends that many chunks of a stream (of a whole answer: nothing), then waits until the client goes away."""
        return cls(kind=FaultKind.STALL, after_chunks=after_chunks)

    @classmethod
    def broken(cls, *, after_chunks: int = 1) -> Self:
        """Sends that many chunks of a stream (of a whole answer: half), then closes the connection."""
        return cls(kind=FaultKind.BREAK, after_chunks=after_chunks)

    @classmethod
    def malformed_arguments(cls) -> Self:
        """Cuts the arguments of every tool call, so that they are no JSON."""
        return cls(kind=FaultKind.MALFORMED_ARGUMENTS)

    @classmethod
    def slow(cls, delay_s: float) -> Self:
        """Waits before the first token."""
        return cls(kind=FaultKind.SLOW, delay_s=delay_s)


class ScriptedCall(_Scripted):
    """A tool call; arguments given as text are sent as they stand, whether JSON or not."""

    name: str
    arguments: dict[str, Any] | str = Field(default_factory=dict)


class ScriptedUsage(_Scripted):
    """Token counts instead of the estimate."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Reply(_Scripted):
    """What to answer, to which requests, and how often.

    Without text and tool calls, rehearsal answers by itself, in the way the fault, usage and delays say.

    `user_contains` is looked for in the last user message (of embeddings and images: in the input); `model` is the
    exact model name. `times` None means every fitting request from now on.
    """

    text: str | None = None
    tool_calls: tuple[ScriptedCall, ...] = ()
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"] | None = None
    usage: ScriptedUsage | None = None
    fault: Fault | None = None
    first_token_s: float | None = Field(default=None, ge=0, le=MAX_DELAY_S)
    per_token_s: float | None = Field(default=None, ge=0, le=MAX_DELAY_S)
    user_contains: str | None = None
    model: str | None = None
    on: Endpoint = "chat"
    times: int | None = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _fits_its_endpoint(self) -> Self:
        if self.on != "chat" and (self.fault is None or self.fault.kind is not FaultKind.STATUS):
            raise ValueError(f"a reply for {self.on} can only be a status fault")
        return self

    def fits(self, endpoint: Endpoint, model: str, user: str) -> bool:
        """Tells whether the reply is meant for such a request."""
        return (
            self.on == endpoint
            and (self.model is None or self.model == model)
            and (self.user_contains is None or self.user_contains in user)
        )


class Script:
    """Replies in the order they are to be used; those with conditions wait for a request that fits.

    Safe to use from several threads.

    Args:
        replies: the first replies.
    """

    def __init__(self, replies: Iterable[Reply] = ()) -> None:
        self._lock = Lock()
        self._left: list[tuple[Reply, int | None]] = []
        self.add(*replies)

    def add(self, *replies: Reply) -> None:
        """Puts replies behind those that are there.

        Raises:
            ValueError: the script would hold more than `MAX_REPLIES`.
        """
        with self._lock:
            if len(self._left) + len(replies) > MAX_REPLIES:
                raise ValueError(f"a script holds at most {MAX_REPLIES} replies")
            self._left += [(reply, reply.times) for reply in replies]

    def clear(self) -> None:
        """Drops every reply that is left."""
        with self._lock:
            self._left.clear()

    def take(self, endpoint: Endpoint, model: str, user: str) -> Reply | None:
        """Gives the first reply that fits, and counts its use; None when rehearsal answers by itself."""
        with self._lock:
            for index, (reply, left) in enumerate(self._left):
                if not reply.fits(endpoint, model, user):
                    continue
                if left == 1:
                    del self._left[index]
                elif left is not None:
                    self._left[index] = (reply, left - 1)
                return reply
        return None

    @property
    def pending(self) -> int:
        """How many replies are left, a reply for several requests counted once."""
        with self._lock:
            return len(self._left)
