"""`greenroom rehearsal`: the stand-in model server, by itself."""

from typing import Annotated

import typer

from greenroom.cli.terminal import JsonFlag, say, write_json


def rehearsal(
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 8801,
    tokens_per_s: Annotated[
        float | None, typer.Option("--tokens-per-s", min=0.1, help="Speed of an answer; left out, as fast as it can.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Serve the stand-in model until Ctrl-C: an OpenAI-compatible endpoint on the loopback that needs no key."""
    from greenroom.actors.rehearsal.server import AddressUnavailable, RehearsalServer
    from greenroom.cli.failures import CommandFailed

    def tell(base_url: str) -> None:
        if as_json:
            write_json({"base_url": base_url})
        else:
            say(f"rehearsal serves {base_url} (Ctrl-C ends it). Use it with: export OPENAI_BASE_URL={base_url}")

    try:
        RehearsalServer(tokens_per_s=tokens_per_s).serve_forever(port=port, on_up=tell)
    except AddressUnavailable as error:
        raise CommandFailed(str(error.strerror or error)) from None
