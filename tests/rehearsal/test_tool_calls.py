"""Tool calls: which tools are chosen, with which arguments, and when it is time to write."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCall


def tool(name: str, description: str, **properties: dict[str, Any]) -> Any:
    """Gives a tool whose arguments are required unless they have a default."""
    required = [key for key, schema in properties.items() if "default" not in schema]
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TEXT = {"type": "string"}
SEARCH = tool(
    "search",
    "Search the workspace's documents.",
    query=TEXT,
    limit={"type": "integer", "minimum": 1, "maximum": 20, "default": 5},
)
IMAGE = tool("image", "Draw a picture.", prompt=TEXT)
RESEARCHER = tool("researcher", "Researches one section and reports what it found.", prompt=TEXT)
ADD = tool("add", "Adds two numbers.", a={"type": "number"}, b={"type": "number"})
WEATHER = tool(
    "get_weather",
    "Current weather of a city.",
    city=TEXT,
    unit={"enum": ["celsius", "fahrenheit"]},
    days={"type": "integer", "minimum": 1, "maximum": 7},
)
VALIDATE = tool(
    "validate",
    "Check a brief against its schema.",
    brief={
        "type": "object",
        "properties": {"title": {"type": "string", "minLength": 3}, "words": {"type": "integer"}},
        "required": ["title", "words"],
    },
)
ALL = [SEARCH, IMAGE, ADD, WEATHER, VALIDATE, RESEARCHER]


async def calls(client: AsyncOpenAI, prompt: str, tools: list[Any] = ALL, **options: Any) -> list[tuple[str, Any]]:
    """Gives the calls rehearsal makes, arguments parsed, after checking each against its schema."""
    messages = options.pop("messages", [{"role": "user", "content": prompt}])
    reply = await client.chat.completions.create(model="rehearsal", messages=messages, tools=tools, **options)
    schemas = {item["function"]["name"]: item["function"]["parameters"] for item in tools}
    found = []
    for call in reply.choices[0].message.tool_calls or []:
        assert isinstance(call, ChatCompletionMessageFunctionToolCall)
        arguments = json.loads(call.function.arguments)
        Draft202012Validator(schemas[call.function.name]).validate(arguments)
        found.append((call.function.name, arguments))
    assert reply.choices[0].finish_reason == ("tool_calls" if found else "stop")
    return found


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("How do HTTP clients handle retries?", ("search", {"query": "HTTP clients handle retries"})),
        ("Retries and timeouts", ("search", {"query": "Retries timeouts"})),
        ("Search the top 3 results on retries", ("search", {"query": "retries", "limit": 3})),
        ("Draw a cover about night trains", ("image", {"prompt": "Draw a cover about night trains"})),
        ("What is 17 plus 25.5?", ("add", {"a": 17, "b": 25.5})),
        (
            "What is the weather in New York, in fahrenheit, for 3 days?",
            ("get_weather", {"city": "New York", "unit": "fahrenheit", "days": 3}),
        ),
    ],
)
async def test_the_fitting_tool_is_called(client: AsyncOpenAI, prompt: str, expected: tuple[str, Any]) -> None:
    """One tool is chosen by the words of the request, and its arguments are made of them."""
    assert await calls(client, prompt, [SEARCH, IMAGE, ADD, WEATHER]) == [expected]


async def test_small_talk_calls_nothing(client: AsyncOpenAI) -> None:
    """A greeting needs no tool."""
    assert await calls(client, "Hello there, good morning!") == []


async def test_bounds_hold_against_the_request(client: AsyncOpenAI) -> None:
    """A number over the maximum becomes the maximum."""
    ((_, arguments),) = await calls(client, "Search 90 results about retries", [SEARCH])
    assert arguments["limit"] == 20


async def test_listed_tasks_are_called_in_parallel(client: AsyncOpenAI) -> None:
    """A numbered list gives one call of the delegate for each item, in order."""
    prompt = "Research these sections:\n1. Retries in HTTP clients\n2. Timeouts and deadlines\n3. Pools of connections"
    found = await calls(client, prompt)
    assert [name for name, _ in found] == ["researcher"] * 3
    assert [arguments["prompt"] for _, arguments in found] == [
        "Retries in HTTP clients",
        "Timeouts and deadlines",
        "Pools of connections",
    ]


async def test_parallel_calls_can_be_declined(client: AsyncOpenAI) -> None:
    """`parallel_tool_calls=False` leaves one call."""
    assert len(await calls(client, "Research:\n- Retries\n- Timeouts", [SEARCH], parallel_tool_calls=False)) == 1


async def test_named_tools_are_called_together(client: AsyncOpenAI) -> None:
    """A request that names two tools gets both, in its order."""
    found = await calls(client, "Use image and search for a page about ferries")
    assert [name for name, _ in found] == ["image", "search"]


async def test_a_sequence_is_called_one_after_another(client: AsyncOpenAI) -> None:
    """With "then", the second tool waits for the first one's result."""
    ask = {"role": "user", "content": "Use search about ferries, then image for a cover"}
    called = {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "search"}}]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "Ferries cross the sea by day and by night."}
    first = await calls(client, "", messages=[ask])
    second = await calls(client, "", messages=[ask, called, result])
    assert [name for name, _ in first + second] == ["search", "image"]


async def test_a_tool_can_be_ruled_out(client: AsyncOpenAI) -> None:
    """A tool that the request forbids is not called."""
    assert await calls(client, "Explain ferries, but do not use the search tool", [SEARCH]) == []


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", []),
        ("auto", []),
        ("required", ["search"]),
        ({"type": "function", "function": {"name": "get_weather"}}, ["get_weather"]),
    ],
)
async def test_the_tool_choice_is_obeyed(client: AsyncOpenAI, choice: Any, expected: list[str]) -> None:
    """Small talk calls what is forced, and only that."""
    assert [name for name, _ in await calls(client, "Hello", tool_choice=choice)] == expected


async def test_an_object_is_taken_from_the_conversation(client: AsyncOpenAI) -> None:
    """An object argument is the JSON object of the prompt that fits its schema."""
    brief = {"title": "Ferries", "words": 120}
    found = await calls(client, f"Validate this brief: {json.dumps(brief)}", [SEARCH, VALIDATE])
    assert found == [("validate", {"brief": brief})]


async def test_results_end_the_calls(client: AsyncOpenAI) -> None:
    """Once the tool has answered it is time to write; the next request may call again."""
    ask = {"role": "user", "content": "How do retries work?"}
    called = {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "search"}}]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "A retry repeats the request after a delay."}
    said = {"role": "assistant", "content": "So they do."}
    assert await calls(client, "", [SEARCH], messages=[ask, called, result]) == []
    again = {"role": "user", "content": "And how do timeouts work?"}
    assert len(await calls(client, "", [SEARCH], messages=[ask, called, result, said, again])) == 1
