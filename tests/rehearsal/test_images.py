"""Images: real PNGs that depend on the prompt alone."""

import base64
import struct
import zlib

from openai import AsyncOpenAI

from greenroom.actors.rehearsal.picture import draw


def chunks(png: bytes) -> dict[bytes, bytes]:
    """Gives the chunks of a PNG after checking each one's sum."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + body),)
        found[kind] = body
        at += 12 + size
    return found


async def test_an_image_is_a_png_of_the_size_asked_for(client: AsyncOpenAI) -> None:
    """Header, sums and pixels are those of an RGB picture."""
    reply = await client.images.generate(model="rehearsal/image", prompt="A cover about night trains", size="256x256")
    assert reply.data is not None
    parts = chunks(base64.b64decode(reply.data[0].b64_json or ""))
    assert struct.unpack(">IIBBBBB", parts[b"IHDR"]) == (256, 256, 8, 2, 0, 0, 0)
    assert len(zlib.decompress(parts[b"IDAT"])) == 256 * (1 + 3 * 256)
    assert list(parts)[-1] == b"IEND"


def test_a_picture_is_more_than_one_colour() -> None:
    """There is something to see."""
    rows = zlib.decompress(chunks(draw("trains", 64, 48))[b"IDAT"])
    assert len({rows[at : at + 3] for at in range(1, 48 * 193 - 3, 97)}) > 8


def test_the_prompt_decides() -> None:
    """The same prompt gives the same bytes, another prompt another picture; one pixel is enough."""
    assert draw("trains", 40, 30) == draw("trains", 40, 30) != draw("ferries", 40, 30)
    assert chunks(draw("tiny", 1, 1))
