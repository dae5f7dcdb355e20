"""What callers of agents send, as the runtime takes it: messages of several kinds as OpenAI's, options by our names."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from greenroom.runtime.contracts.values import Json

_SETTINGS: Final = {
    "temperature": "temperature",
    "maxTokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "topP": "top_p",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "stopSequences": "stop",
    "seed": "seed",
}


def agent_input(messages: Json, *, system: Json = None, context: Json = None) -> Json:
    """Return an agent's input: a text as it is, messages as `{"messages": […]}`."""
    if isinstance(messages, str) and not system and not context:
        return messages
    found: list[dict[str, Json]] = []
    found.extend({"role": "system", "content": _text(message)} for message in _listed(system))
    found.extend(chat_messages(_listed(context)))
    found.extend(chat_messages(_listed(messages)))
    return {"messages": found}


def _listed(value: Json) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(message: Json) -> str:
    content = message.get("content") if isinstance(message, dict) else message
    return content if isinstance(content, str) else msgspec.json.encode(content).decode()


def chat_messages(messages: Iterable[Json]) -> list[dict[str, Json]]:
    """Return messages in the form of OpenAI's chat completions: texts, parts, tool calls and their results.

    >>> chat_messages(["hi", {"role": "user", "content": [{"type": "text", "text": "again"}]}])
    [{'role': 'user', 'content': 'hi'}, {'role': 'user', 'content': 'again'}]
    """
    found: list[dict[str, Json]] = []
    for message in messages:
        if isinstance(message, str):
            found.append({"role": "user", "content": message})
        elif isinstance(message, dict):
            found.extend(_converted(message))
    return found


def _converted(message: Mapping[str, Json]) -> list[dict[str, Json]]:
    role = str(message.get("role") or "user")
    content = message.get("content")
    if isinstance(content, dict):  # a stored message: {"format": 2, "parts": […]}
        content = content.get("parts") or content.get("content")
    if content is None:
        content = message.get("parts")
    if "tool_calls" in message or "tool_call_id" in message or not isinstance(content, list):
        kept = {name: message[name] for name in ("tool_calls", "tool_call_id", "name") if name in message}
        return [{"role": role, "content": content if content is None or isinstance(content, str) else "", **kept}]
    return _of_parts(role, [part for part in content if isinstance(part, dict)])


def _of_parts(role: str, parts: list[dict[str, Json]]) -> list[dict[str, Json]]:
    calls = [_call(part) for part in parts if part.get("type") == "tool-call"]
    results = [_result(part) for part in parts if part.get("type") == "tool-result"]
    for part in parts:
        if part.get("type") == "tool-invocation":
            invocation = part.get("toolInvocation") or {}
            calls.append(_call(invocation))
            if invocation.get("state") == "result":
                results.append(_result(invocation))
    if role == "tool":
        return results
    said: dict[str, Json] = {"role": role, "content": _content(parts)}
    if calls:
        said |= {"content": said["content"] or None, "tool_calls": calls}
    return [said, *results]


def _content(parts: list[dict[str, Json]]) -> Json:
    texts = [str(part.get("text") or "") for part in parts if part.get("type") == "text"]
    images = [found for part in parts if (found := _image(part)) is not None]
    if not images:
        return "".join(texts)
    return [*({"type": "text", "text": text} for text in texts), *images]


def _image(part: Mapping[str, Json]) -> dict[str, Json] | None:
    kind = part.get("type")
    if kind == "image_url":
        return dict(part)
    media = str(part.get("mimeType") or part.get("mediaType") or "image/png")
    if kind not in {"image", "file"} or (kind == "file" and not media.startswith("image/")):
        return None
    source = str(part.get("image") or part.get("data") or part.get("url") or "")
    url = source if source.startswith(("http:", "https:", "data:")) else f"data:{media};base64,{source}"
    return {"type": "image_url", "image_url": {"url": url}}


def _call(part: Mapping[str, Json]) -> dict[str, Json]:
    arguments = part.get("args", part.get("input"))
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
    return {
        "id": str(part.get("toolCallId") or ""),
        "type": "function",
        "function": {"name": str(part.get("toolName") or ""), "arguments": text},
    }


def _result(part: Mapping[str, Json]) -> dict[str, Json]:
    result = part.get("result", part.get("output"))
    text = result if isinstance(result, str) else msgspec.json.encode(result).decode()
    return {"role": "tool", "tool_call_id": str(part.get("toolCallId") or ""), "content": text}


def model_settings(given: Mapping[str, Json] | None, tool_choice: Json = None) -> dict[str, Json]:
    """Return sampling parameters by the names that providers know.

    >>> model_settings({"maxOutputTokens": 5}, "none")
    {'max_tokens': 5, 'tool_choice': 'none'}
    """
    settings = {name: given[key] for key, name in _SETTINGS.items() if given and given.get(key) is not None}
    if isinstance(tool_choice, str):
        settings["tool_choice"] = tool_choice
    elif isinstance(tool_choice, dict) and tool_choice.get("toolName"):
        settings["tool_choice"] = {"type": "function", "function": {"name": tool_choice["toolName"]}}
    return settings
