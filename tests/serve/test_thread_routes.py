"""Conversations over HTTP."""

from tests.serve.stage import ScriptedTurns, Stage, said

THREADS = "/api/memory/threads"


async def test_a_conversation_is_created_shown_changed_and_deleted(stage: Stage) -> None:
    """Each answer is the thread in the wire's shape; afterwards it is 404."""
    body = {"threadId": "t", "resourceId": "user", "title": "A", "metadata": {"m": 1}, "agentId": "writer"}
    created = (await stage.post(f"{THREADS}?agentId=writer", body)).json()
    assert created.keys() == {"id", "title", "resourceId", "createdAt", "updatedAt", "metadata"}
    assert (await stage.get(f"{THREADS}/t?agentId=writer")).json() == created
    changed = (await stage.http.patch(f"{THREADS}/t", json={"title": "B"})).json()
    assert (changed["title"], changed["metadata"], changed["resourceId"]) == ("B", {"m": 1}, "user")
    assert (await stage.http.delete(f"{THREADS}/t")).json() == {"result": "Thread deleted"}
    for response in (
        await stage.get(f"{THREADS}/t"),
        await stage.http.patch(f"{THREADS}/t", json={}),
        await stage.http.delete(f"{THREADS}/t"),
        await stage.get(f"{THREADS}/t/messages"),
    ):
        assert response.status_code == 404


async def test_conversations_are_listed_in_pages(stage: Stage) -> None:
    """By resource, by metadata, ordered, with total and hasMore; the client's `undefined` is nothing."""
    for number in range(3):
        await stage.harness.clock.advance(1)
        body = {"threadId": f"t{number}", "resourceId": f"user-{number % 2}", "metadata": {"n": number}}
        await stage.post(THREADS, body)
    whole = (await stage.get(f"{THREADS}?resourceId=undefined")).json()
    assert ([thread["id"] for thread in whole["threads"]], whole["total"]) == (["t2", "t1", "t0"], 3)
    page = (await stage.get(f"{THREADS}?perPage=2&page=0&orderBy[field]=createdAt&orderBy[direction]=ASC")).json()
    assert ([thread["id"] for thread in page["threads"]], page["hasMore"]) == (["t0", "t1"], True)
    assert (await stage.get(f"{THREADS}?resourceId=user-1")).json()["total"] == 1
    filtered = (await stage.get(THREADS, params={"metadata": '{"n": 2}'})).json()
    assert [thread["id"] for thread in filtered["threads"]] == ["t2"]
    assert (await stage.get(THREADS, params={"metadata": "["})).status_code == 400


async def test_another_resources_conversation_is_not_found(stage: Stage) -> None:
    """A resource that is named must be the thread's."""
    await stage.post(THREADS, {"threadId": "t", "resourceId": "user"})
    assert (await stage.get(f"{THREADS}/t?resourceId=user")).status_code == 200
    assert (await stage.get(f"{THREADS}/t?resourceId=other")).status_code == 404


async def test_messages_are_oldest_first_on_every_page(stage: Stage, turns: ScriptedTurns) -> None:
    """Ascending from the oldest; with DESC the first page is the newest, still ascending."""
    turns.play(said("one"), said("two"))
    for text in ("first", "second"):
        memory = {"thread": "t", "resource": "user"}
        await stage.post("/api/agents/writer/generate", {"messages": text, "memory": memory})
    path = f"{THREADS}/t/messages"
    listed = (await stage.get(path)).json()
    assert [message["content"]["content"] for message in listed["messages"]] == ["first", "one", "second", "two"]
    assert (listed["total"], listed["hasMore"], listed["uiMessages"]) == (4, False, None)
    newest = (await stage.get(path, params={"perPage": 3, "orderBy": '{"direction":"DESC"}'})).json()
    assert [message["content"]["content"] for message in newest["messages"]] == ["one", "second", "two"]
    assert newest["hasMore"] is True
    assert listed["messages"][0].keys() >= {"id", "role", "type", "content", "threadId", "resourceId", "createdAt"}


async def test_status_and_config_tell_how_an_agent_remembers(stage: Stage) -> None:
    """From the agent's definition; an unknown agent is 404, none at all has no memory."""
    told = (await stage.get("/api/memory/status?agentId=writer")).json()
    assert told == {"result": True, "memoryType": "local"}
    assert (await stage.get("/api/memory/status")).json() == {"result": False}
    assert (await stage.get("/api/memory/config?agentId=writer")).json()["config"]["lastMessages"] == 5
    assert (await stage.get("/api/memory/status?agentId=nope")).status_code == 404
