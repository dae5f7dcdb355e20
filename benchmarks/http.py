"""HTTP: from sending a start to having the result of a workflow of one step."""

import time

import httpx

from benchmarks.figures import Row, milliseconds


async def round_trips(base_url: str, repetitions: int) -> list[Row]:
    """Measure `start-async` of a workflow with one step, one call after the other."""
    times: list[float] = []
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as client:
        for number in range(repetitions + 5):
            begin = time.perf_counter()
            answer = await client.post("/api/workflows/one/start-async", json={"inputData": number})
            if number >= 5:
                times.append(time.perf_counter() - begin)
            if answer.status_code != httpx.codes.OK or answer.json()["status"] != "success":
                message = f"the run ended with {answer.status_code}: {answer.text[:200]}"
                raise RuntimeError(message)
    return [Row(name="HTTP start to finish, one step", figure=milliseconds(times))]
