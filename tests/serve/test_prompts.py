"""What callers of agents send, in every form that clients have, as OpenAI's messages."""

import pytest

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.prompts import agent_input, chat_messages, model_settings


def test_a_text_stays_a_text() -> None:
    """The simplest prompt is handed on as it is."""
    assert agent_input("hi") == "hi"


def test_system_and_context_stand_before_the_messages() -> None:
    """Both are messages of their own, in that order."""
    assert agent_input("hi", system="be brief", context=[{"role": "user", "content": "earlier"}]) == {
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "earlier"},
            {"role": "user", "content": "hi"},
        ]
    }


@pytest.mark.parametrize(
    "content",
    [
        "hello",
        [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}],
        {"format": 2, "parts": [{"type": "text", "text": "hello"}]},
    ],
)
def test_text_is_found_in_every_form_of_content(content: Json) -> None:
    """Plain, in parts, and as it is stored."""
    assert chat_messages([{"role": "user", "content": content}]) == [{"role": "user", "content": "hello"}]


def test_messages_of_user_interfaces_have_parts_without_content() -> None:
    """`parts` is read where there is no `content`."""
    assert chat_messages([{"role": "user", "parts": [{"type": "text", "text": "x"}]}]) == [
        {"role": "user", "content": "x"}
    ]


def test_tool_calls_and_results_become_openais() -> None:
    """What `response.messages` of an answer hold can be sent back."""
    call = {"type": "tool-call", "toolCallId": "c", "toolName": "t", "args": {"a": 1}}
    result = {"type": "tool-result", "toolCallId": "c", "toolName": "t", "result": {"r": 2}}
    assert chat_messages([{"role": "assistant", "content": [call]}, {"role": "tool", "content": [result]}]) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "t", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": '{"r":2}'},
    ]


def test_openais_own_messages_pass_unchanged() -> None:
    """Messages that have tool_calls or tool_call_id already are kept."""
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
        {"role": "tool", "content": "x", "tool_call_id": "c"},
    ]
    assert chat_messages(messages) == messages


def test_images_stay_parts() -> None:
    """An image makes the content a list, with data as a URL."""
    parts = [{"type": "text", "text": "see"}, {"type": "file", "mimeType": "image/jpeg", "data": "QUJD"}]
    assert chat_messages([{"role": "user", "content": parts}])[0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QUJD"}},
    ]


def test_settings_get_the_names_that_providers_know() -> None:
    """CamelCase in, snake_case out; a named tool becomes OpenAI's choice; unknown ones are left out."""
    assert model_settings(
        {"temperature": 0, "stopSequences": ["x"], "unknown": 1}, {"type": "tool", "toolName": "t"}
    ) == {
        "temperature": 0,
        "stop": ["x"],
        "tool_choice": {"type": "function", "function": {"name": "t"}},
    }
    assert model_settings(None) == {}
