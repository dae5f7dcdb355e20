"""Requests: the bodies rehearsal accepts, checked where the bytes come in, as strictly as the service does.

Knows the shapes of OpenAI's wire and nothing of answers. A body that passes here can be answered without further
checks; what stand-in answers do not depend on (temperature, seed, user, …) is accepted and ignored.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_IMAGE_SIDE = 2048
DEFAULT_DIMENSIONS = 256

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict with string keys."""


class _Body(BaseModel):
    """Frozen, and open: unknown fields are another client's options, not mistakes."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ContentPart(_Body):
    """One part of a message's content; only text is read, other kinds are kept as their name in brackets."""

    type: str
    text: str | None = None


class FunctionCall(_Body):
    """The function an earlier assistant message called; `arguments` is the JSON text as the model wrote it."""

    name: str
    arguments: str = "{}"


class CalledTool(_Body):
    """A tool call of an earlier assistant message."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(_Body):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    tool_calls: list[CalledTool] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _has_what_its_role_needs(self) -> Self:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError(f"a message of role '{self.role}' needs content")
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a message of role 'tool' needs tool_call_id")
        return self

    @property
    def text(self) -> str:
        """The message's text, the parts one below the other."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text if part.text is not None else f"[{part.type}]" for part in self.content)


class FunctionSpec(_Body):
    """What a tool is: name, what it is for, JSON Schema of its arguments."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str = ""
    parameters: dict[str, Json] = Field(default_factory=lambda: {"type": "object", "properties": {}})


class Tool(_Body):
    """A tool the model may call."""

    type: Literal["function"]
    function: FunctionSpec


class NamedFunction(_Body):
    """The name inside a forced tool choice."""

    name: str


class NamedChoice(_Body):
    """A tool choice that forces one function."""

    type: Literal["function"]
    function: NamedFunction


class SchemaFormat(_Body):
    """The named JSON Schema of a structured answer."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    schema_: dict[str, Json] = Field(alias="schema")


class TextFormat(_Body):
    """Plain text, or any JSON object."""

    type: Literal["text", "json_object"]


class JsonSchemaFormat(_Body):
    """An answer that must validate against a schema."""

    type: Literal["json_schema"]
    json_schema: SchemaFormat


class StreamOptions(_Body):
    """What a stream carries beside the answer."""

    include_usage: bool = False


class ChatRequest(_Body):
    """Body of `POST /v1/chat/completions`."""

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1)
    tools: list[Tool] = Field(default_factory=list)
    tool_choice: Literal["none", "auto", "required"] | NamedChoice = "auto"
    parallel_tool_calls: bool = True
    response_format: Annotated[TextFormat | JsonSchemaFormat, Field(discriminator="type")] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    n: int = 1

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, body: Json) -> Json:
        """A null stands for an absent option on this wire."""
        return {key: value for key, value in body.items() if value is not None} if isinstance(body, dict) else body

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.n != 1:
            raise ValueError("rehearsal answers with one choice: n must be 1")
        names = {tool.function.name for tool in self.tools}
        if isinstance(self.tool_choice, NamedChoice) and self.tool_choice.function.name not in names:
            raise ValueError(f"tool_choice names '{self.tool_choice.function.name}', which is not among the tools")
        if self.tool_choice == "required" and not names:
            raise ValueError("tool_choice is 'required', but there are no tools")
        _check_tool_messages(self.messages)
        return self

    @property
    def max_answer_tokens(self) -> int | None:
        """The bound on the answer, by either of its two names."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens


def _check_tool_messages(messages: list[Message]) -> None:
    """Refuses tool results nobody asked for and tool calls nobody answered, as the real service does."""
    open_calls: set[str] = set()
    for message in messages:
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                raise ValueError(f"the tool message for '{message.tool_call_id}' answers no preceding tool call")
            open_calls.discard(message.tool_call_id)
            continue
        if open_calls:
            raise ValueError(f"tool calls without a tool message that answers them: {', '.join(sorted(open_calls))}")
        open_calls = {call.id for call in message.tool_calls or ()}
    if open_calls:
        raise ValueError(f"tool calls without a tool message that answers them: {', '.join(sorted(open_calls))}")


class EmbeddingRequest(_Body):
    """Body of `POST /v1/embeddings`."""

    model: str = Field(min_length=1)
    input: str | list[str] | list[int] | list[list[int]]
    dimensions: int = Field(default=DEFAULT_DIMENSIONS, ge=1, le=4096)
    encoding_format: Literal["float", "base64"] = "float"

    @model_validator(mode="after")
    def _has_input(self) -> Self:
        if not self.texts or not all(self.texts):
            raise ValueError("input must not be empty")
        return self

    @property
    def texts(self) -> list[str]:
        """The inputs as texts; lists of token numbers become their numbers."""
        if isinstance(self.input, str):
            return [self.input]
        numbers = [str(item) for item in self.input if isinstance(item, int)]
        if numbers:
            return [" ".join(numbers)]
        lists = (item for item in self.input if not isinstance(item, int))
        return [item if isinstance(item, str) else " ".join(map(str, item)) for item in lists]


class ImageRequest(_Body):
    """Body of `POST /v1/images/generations`."""

    prompt: str = Field(min_length=1, max_length=32_000)
    model: str = Field(default="rehearsal", min_length=1)
    n: Literal[1] = 1
    size: str = Field(default="auto", pattern=r"^(auto|[1-9]\d{0,3}x[1-9]\d{0,3})$")
    response_format: Literal["b64_json"] = "b64_json"

    @model_validator(mode="after")
    def _is_drawable(self) -> Self:
        if max(self.pixels) > MAX_IMAGE_SIDE:
            raise ValueError(f"size is {self.size}, at most {MAX_IMAGE_SIDE}x{MAX_IMAGE_SIDE} is drawn")
        return self

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        if self.size == "auto":
            return 1024, 1024
        width, height = self.size.split("x")
        return int(width), int(height)


def fingerprint(body: Json) -> str:
    """Gives the hash of a request, the same whether it is streamed or not; ids and seeds are made from it."""
    same = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
    text = json.dumps(same, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
