"""The application: rehearsal's routes.

A thin shell: the edge parses, the pure modules decide, a delivery sends. Every model request is logged.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from greenroom.actors.rehearsal import wire
from greenroom.actors.rehearsal.delivery import Delivery, Sleep
from greenroom.actors.rehearsal.edge import Body, check, parse, read_body, refuse, refuse_bug, refuse_route
from greenroom.actors.rehearsal.embedding import embed
from greenroom.actors.rehearsal.performance import Pace, pace_of, play, refusal, spoil
from greenroom.actors.rehearsal.picture import draw
from greenroom.actors.rehearsal.request import ChatRequest, EmbeddingRequest, ImageRequest, Json, fingerprint
from greenroom.actors.rehearsal.schema import UnsatisfiableSchema
from greenroom.actors.rehearsal.script import Endpoint, FaultKind, Reply, Script
from greenroom.actors.rehearsal.seen import MAX_LOGGED_BODY_BYTES, Outcome, RequestLog
from greenroom.actors.rehearsal.tokens import Usage, count_tokens, prompt_tokens
from greenroom.actors.rehearsal.wire import Envelope, Frame, Refused

MAX_EMBEDDED_TEXTS: Final = 2048
MAX_LOGGED_USER_CHARS: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the application is given: its script, its log, its pace, and the world's clock."""

    script: Script
    log: RequestLog
    pace: Pace
    now: Callable[[], float]
    sleep: Sleep
    closing: asyncio.Event


class ScriptBody(BaseModel):
    """Body of `POST /rehearsal/script`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replies: list[Reply] = Field(min_length=1)


@dataclass(slots=True, kw_only=True)
class _Seen:
    """A model request under way: its place in the log, closed exactly once."""

    ports: Ports
    seq: int
    is_open: bool = True

    def end(self, outcome: Outcome) -> None:
        if self.is_open:
            self.is_open = False
            self.ports.log.close(self.seq, outcome)

    def read(self, raw: bytes, kind: type[Body]) -> tuple[Body, Json]:
        body = parse(raw)
        if len(raw) <= MAX_LOGGED_BODY_BYTES:
            self.ports.log.note(self.seq, body=body)
        return check(kind, body), body

    def take(self, endpoint: Endpoint, model: str, user: str, *, is_stream: bool = False) -> Reply:
        """Gives the scripted reply, an empty one if there is none.

        Raises:
            Refused: the script says so.
        """
        reply = self.ports.script.take(endpoint, model, user)
        self.ports.log.note(
            self.seq,
            model=model,
            user=user[:MAX_LOGGED_USER_CHARS],
            is_stream=is_stream,
            is_scripted=reply is not None,
        )
        if reply and reply.fault and reply.fault.kind is FaultKind.STATUS:
            self.end(Outcome.FAULTED)
            raise refusal(reply.fault)
        return reply or Reply()


class RehearsalApp:
    """The routes over their ports."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def build(self) -> Starlette:
        """Gives the ASGI application."""
        routes = [
            Route("/healthz", self._health, methods=["GET"]),
            Route("/v1/models", self._models, methods=["GET"]),
            Route("/v1/models/{name:path}", self._model, methods=["GET"]),
            Route("/v1/chat/completions", self._logged(self._chat), methods=["POST"]),
            Route("/v1/embeddings", self._logged(self._embeddings), methods=["POST"]),
            Route("/v1/images/generations", self._logged(self._image), methods=["POST"]),
            Route("/rehearsal/script", self._add_script, methods=["POST"]),
            Route("/rehearsal/script", self._clear_script, methods=["DELETE"]),
            Route("/rehearsal/requests", self._requests, methods=["GET"]),
            Route("/rehearsal/requests", self._clear_requests, methods=["DELETE"]),
        ]
        return Starlette(
            routes=routes, exception_handlers={Refused: refuse, HTTPException: refuse_route, Exception: refuse_bug}
        )

    def _logged(self, handle: Callable[[_Seen, bytes], Awaitable[ASGIApp]]) -> Callable[[Request], Awaitable[Any]]:
        """Gives an endpoint that logs each request and how it ended."""

        async def endpoint(request: Request) -> ASGIApp:
            seen = _Seen(ports=self._ports, seq=self._ports.log.open(request.url.path))
            self._ports.log.note(seen.seq, idempotency_key=request.headers.get("idempotency-key", ""))
            try:
                answer = await handle(seen, await read_body(request))
            except UnsatisfiableSchema as problem:
                seen.end(Outcome.REFUSED)
                raise Refused(400, str(problem), code="invalid_schema") from None
            except ClientDisconnect:
                seen.end(Outcome.CLIENT_GONE)
                return Response(status_code=400)
            except BaseException:
                seen.end(Outcome.REFUSED)
                raise
            if not isinstance(answer, Delivery):  # a delivery closes the log itself, when it has ended
                seen.end(Outcome.ANSWERED)
            return answer

        return endpoint

    async def _chat(self, seen: _Seen, raw: bytes) -> ASGIApp:
        request, body = seen.read(raw, ChatRequest)
        user = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
        reply = seen.take("chat", request.model, user, is_stream=request.stream)
        identity = fingerprint(body)
        turn = spoil(play(reply, request, identity), reply.fault)
        usage = Usage(prompt_tokens=prompt_tokens(request), completion_tokens=wire.completion_tokens(turn))
        if reply.usage:
            usage = Usage(**reply.usage.model_dump())
        envelope = Envelope(
            id=f"chatcmpl-{identity[:24]}", created=int(self._ports.now()), model=request.model, usage=usage
        )
        has_usage = bool(request.stream_options and request.stream_options.include_usage)
        if request.stream:
            parts = wire.frames(turn, envelope, has_usage=has_usage)
        else:
            data = json.dumps(wire.completion(turn, envelope), ensure_ascii=False).encode("utf-8", "replace")
            parts = [Frame(data=data, tokens=wire.completion_tokens(turn))]
        return Delivery(
            parts,
            is_stream=request.stream,
            pace=pace_of(self._ports.pace, reply),
            fault=reply.fault,
            sleep=self._ports.sleep,
            closing=self._ports.closing,
            on_end=seen.end,
        )

    async def _embeddings(self, seen: _Seen, raw: bytes) -> Response:
        request, _ = seen.read(raw, EmbeddingRequest)
        seen.take("embeddings", request.model, "\n".join(request.texts))
        if len(request.texts) > MAX_EMBEDDED_TEXTS:
            raise Refused(400, f"at most {MAX_EMBEDDED_TEXTS} inputs in one request", param="input")
        vectors = await asyncio.to_thread(lambda: [embed(text, request.dimensions) for text in request.texts])
        tokens = sum(count_tokens(text) for text in request.texts)
        is_packed = request.encoding_format == "base64"
        return JSONResponse(wire.embeddings(vectors, model=request.model, tokens=tokens, is_packed=is_packed))

    async def _image(self, seen: _Seen, raw: bytes) -> Response:
        request, _ = seen.read(raw, ImageRequest)
        seen.take("images", request.model, request.prompt)
        width, height = request.pixels
        png = await asyncio.to_thread(draw, request.prompt, width, height)
        tokens = count_tokens(request.prompt)
        usage = {
            "input_tokens": tokens,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": tokens},
            "output_tokens": 0,
            "total_tokens": tokens,
        }
        return JSONResponse(
            {
                "created": int(self._ports.now()),
                "data": [{"b64_json": base64.b64encode(png).decode("ascii")}],
                "output_format": "png",
                "size": f"{width}x{height}",
                "usage": usage,
            }
        )

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok", "model": "rehearsal"})

    async def _models(self, _request: Request) -> Response:
        return JSONResponse(wire.models(int(self._ports.now())))

    async def _model(self, request: Request) -> Response:
        return JSONResponse(wire.model(request.path_params["name"], int(self._ports.now())))

    async def _add_script(self, request: Request) -> Response:
        body = check(ScriptBody, parse(await read_body(request)))
        try:
            self._ports.script.add(*body.replies)
        except ValueError as problem:
            raise Refused(400, str(problem), param="replies") from None
        return JSONResponse({"pending": self._ports.script.pending}, status_code=201)

    async def _clear_script(self, _request: Request) -> Response:
        self._ports.script.clear()
        return Response(status_code=204)

    async def _requests(self, _request: Request) -> Response:
        return JSONResponse(self._ports.log.summary())

    async def _clear_requests(self, _request: Request) -> Response:
        self._ports.log.clear()
        return Response(status_code=204)
