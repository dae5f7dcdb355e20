"""The one file that knows the `openai` client: streams one chat completion and names its faults.

Every model is reached through it, whatever serves it. Retries are the caller's, so the client's own are off: each
attempt must be seen, waited for and paid for in one place.
"""

import email.utils
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import openai

from greenroom.actors.prices import Price, cost_micros, find_price
from greenroom.runtime.contracts.entries import Usage
from greenroom.runtime.contracts.errors import ModelError
from greenroom.runtime.contracts.values import Json

DEFAULT_TIMEOUT_S: Final = 60.0
"""Longest silence of an endpoint, before the answer as between two chunks of it."""

DEFAULT_MAX_ATTEMPTS: Final = 3
NO_KEY: Final = "none"
"""Sent to endpoints that ask for no key: the client refuses to go without one."""

_RETRYABLE_STATUSES: Final = frozenset({408, 409, 425, 429})


class ModelFault(Exception):
    """One attempt failed.

    Args:
        retry_after_s: What the provider asked for, if it did.
    """

    def __init__(self, message: str, *, is_retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text, or of the model's reasoning."""

    text: str
    is_reasoning: bool = False


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """A piece of a tool call; id and name come with the first."""

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A piece of the model's refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The model has said why it stopped."""

    reason: str


@dataclass(frozen=True, slots=True)
class Used:
    """What the attempt has used so far."""

    usage: Usage


Delta: TypeAlias = TextDelta | ToolDelta | Refused | Ended | Used


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One chat completion to ask for."""

    messages: list[Json]
    tools: list[Json]
    response_format: Json
    settings: dict[str, Json]
    key: str


class Model:
    """One model of one provider."""

    def __init__(
        self, provider: str, name: str, client: openai.AsyncOpenAI, price: Price | None, max_attempts: int
    ) -> None:
        self.provider = provider
        self.name = name
        self.max_attempts = max_attempts
        self._client = client
        self._price = price

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        """Yield the answer's pieces as they come.

        The pieces are a whole answer only if `Ended` was among them: a connection may close in the middle and look
        like an end.

        Raises:
            ModelFault: The endpoint failed, before the answer or in the middle of it.
        """
        options: dict[str, Any] = {}
        if request.tools:
            options["tools"] = request.tools
        if request.response_format is not None:
            options["response_format"] = request.response_format
        try:
            stream = await self._client.chat.completions.create(
                model=self.name,
                messages=cast("Any", request.messages),
                stream=True,
                stream_options={"include_usage": True},
                extra_headers={"Idempotency-Key": request.key},
                extra_body=request.settings,
                **options,
            )
            async with stream:
                async for chunk in stream:
                    for delta in self._read(chunk):
                        yield delta
        except openai.OpenAIError as error:
            raise _fault_of(error) from error
        except ValueError as error:
            raise ModelFault(f"the stream broke off inside an event: {error}", is_retryable=True) from error

    def _read(self, chunk: Any) -> list[Delta]:
        deltas: list[Delta] = []
        if chunk.usage is not None:
            deltas.append(Used(self._usage(chunk.usage)))
        for choice in chunk.choices or ():
            delta = choice.delta
            if reasoning := getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None):
                deltas.append(TextDelta(str(reasoning), is_reasoning=True))
            if delta.content:
                deltas.append(TextDelta(delta.content))
            if delta.refusal:
                deltas.append(Refused(delta.refusal))
            for call in delta.tool_calls or ():
                function = call.function
                name = (function.name if function else None) or ""
                arguments = (function.arguments if function else None) or ""
                deltas.append(ToolDelta(call.index, call.id or "", name, arguments))
            if choice.finish_reason:
                deltas.append(Ended(choice.finish_reason))
        return deltas

    def _usage(self, told: Any) -> Usage:
        cached = getattr(told.prompt_tokens_details, "cached_tokens", None) or 0
        reasoning = getattr(told.completion_tokens_details, "reasoning_tokens", None) or 0
        input_tokens, output_tokens = told.prompt_tokens or 0, told.completion_tokens or 0
        usage = Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            total_tokens=told.total_tokens or input_tokens + output_tokens,
            reasoning_tokens=reasoning,
            cached_tokens=cached,
        )
        return usage.plus(Usage(cost_micros=cost_micros(usage, self._price)))


class ModelClients:
    """Clients of the configured providers, made on first use and kept: their connections are worth keeping.

    Args:
        providers: By name: `base_url`, `api_key` or `api_key_env`, `headers`, `prices`, `timeout_s`, `max_attempts`.
        environ: Where `api_key_env` is looked up. Keys are read on the worker, so that they never cross the runtime.
    """

    def __init__(self, providers: Mapping[str, Json], environ: Mapping[str, str] | None = None) -> None:
        self._providers = providers
        self._environ = os.environ if environ is None else environ
        self._clients: dict[str, openai.AsyncOpenAI] = {}

    def find_model(self, name: str) -> Model:
        """Return the model of this `provider/model` name.

        Raises:
            ModelError: The name has no provider, the provider is not configured, or its key is missing.
        """
        provider, _, model = name.partition("/")
        settings = self._providers.get(provider)
        if not model or not isinstance(settings, dict):
            known = ", ".join(sorted(self._providers)) or "none"
            raise ModelError(
                f"Model {name!r} names no configured provider; models are called `provider/model`, and the configured "
                f"providers are: {known}.",
                {"model": name, "providers": sorted(self._providers)},
            )
        client = self._clients.get(provider)
        if client is None:
            client = self._clients[provider] = self._make(provider, settings)
        attempts = max(1, int(settings.get("max_attempts") or DEFAULT_MAX_ATTEMPTS))
        return Model(provider, model, client, find_price(provider, model, settings.get("prices")), attempts)

    async def close(self) -> None:
        """Close every connection."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def _make(self, provider: str, settings: dict[str, Json]) -> openai.AsyncOpenAI:
        key = settings.get("api_key")
        variable = settings.get("api_key_env")
        if not key and variable:
            key = self._environ.get(variable)
            if not key:
                raise ModelError(
                    f"The key of provider {provider!r} is to be in the variable {variable}, which is not set where "
                    "the agents run.",
                    {"provider": provider, "variable": variable},
                )
        return openai.AsyncOpenAI(
            api_key=str(key or NO_KEY),
            base_url=settings.get("base_url"),
            default_headers=settings.get("headers"),
            timeout=float(settings.get("timeout_s") or DEFAULT_TIMEOUT_S),
            max_retries=0,
        )


def _fault_of(error: openai.OpenAIError) -> ModelFault:
    match error:
        case openai.APITimeoutError():
            return ModelFault("the endpoint was silent for too long", is_retryable=True)
        case openai.APIConnectionError():
            return ModelFault(f"the connection failed: {error.__cause__ or error}", is_retryable=True)
        case openai.APIStatusError():
            status = error.status_code
            is_retryable = status >= 500 or status in _RETRYABLE_STATUSES  # noqa: PLR2004 - server errors begin there
            wait = _retry_after_s(error.response.headers)
            return ModelFault(f"HTTP {status}: {error.message}", is_retryable=is_retryable, retry_after_s=wait)
        case openai.APIError():
            return ModelFault(f"an error in the stream: {error.message}", is_retryable=True)
        case _:
            return ModelFault(str(error), is_retryable=False)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return what `Retry-After` asks for (RFC 9110, section 10.2.3: seconds or a date), or its variant in ms."""
    try:
        if told := headers.get("retry-after-ms"):
            return max(float(told) / 1000, 0.0)
        told = headers.get("retry-after")
        if not told:
            return None
        if told.replace(".", "", 1).isdigit():
            return float(told)
        return max(email.utils.parsedate_to_datetime(told).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
