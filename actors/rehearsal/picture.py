"""Pictures: a small landscape, drawn from the hash of a prompt and written as PNG (RFC 2083) with zlib alone.

Pure. Everything is drawn as spans of one colour on rows of one colour, so that a large picture takes milliseconds.
"""

import hashlib
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Colour = tuple[int, int, int]

HILLS: Final = 5
STARS: Final = 40
COMPRESSION: Final = 6

# Sky at the top, sky at the horizon, sun, hills far and near.
_PALETTES: Final[tuple[tuple[Colour, ...], ...]] = (
    ((24, 32, 72), (236, 138, 110), (255, 224, 160), (122, 84, 122), (32, 28, 56)),
    ((70, 140, 200), (222, 240, 248), (255, 246, 196), (130, 176, 150), (28, 78, 66)),
    ((14, 20, 46), (60, 92, 140), (240, 240, 224), (52, 74, 110), (10, 16, 34)),
    ((248, 196, 140), (255, 240, 214), (255, 120, 90), (216, 138, 110), (96, 52, 60)),
    ((38, 70, 83), (233, 196, 106), (244, 162, 97), (42, 157, 143), (20, 46, 56)),
    ((94, 60, 108), (250, 190, 180), (255, 250, 220), (150, 104, 140), (50, 34, 72)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Disc:
    """An ellipse of one colour, in pixels."""

    x: float
    y: float
    wide: float
    high: float
    colour: Colour

    def span(self, row: int, width: int) -> tuple[int, int]:
        """The columns it covers in a row, from and to; equal when it covers none."""
        distance = (row - self.y) / self.high
        half = self.wide * math.sqrt(1.0 - distance * distance) if abs(distance) < 1.0 else 0.0
        start, end = max(0, round(self.x - half)), min(width, round(self.x + half))
        return (start, end) if half and start < end else (0, 0)


def draw(prompt: str, width: int, height: int) -> bytes:
    """Gives a PNG for a prompt: another prompt gives another picture, the same prompt the same bytes.

    Args:
        prompt: what to draw; only its hash is used.
        width: pixels, at least 1.
        height: pixels, at least 1.
    """
    dice = _dice(prompt)
    palette = _PALETTES[int(next(dice) * len(_PALETTES))]
    discs = _scene(dice, palette, width, height)
    rows = bytearray()
    for y in range(height):
        row = bytearray(bytes(_blend(palette[0], palette[1], y / max(1, height - 1))) * width)
        for disc in discs:
            start, end = disc.span(y, width)
            row[3 * start : 3 * end] = bytes(disc.colour) * (end - start)
        rows += b"\x00" + row
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # eight bits, RGB, not interlaced
    body = zlib.compress(bytes(rows), COMPRESSION)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _scene(dice: Iterator[float], palette: tuple[Colour, ...], width: int, height: int) -> list[_Disc]:
    """Gives stars, a sun and hills, from back to front."""
    small, pale = max(1.0, min(width, height) / 400), _blend(palette[1], (255, 255, 255), 0.5)
    discs = [
        _Disc(x=next(dice) * width, y=next(dice) * height / 2, wide=small, high=small, colour=pale)
        for _ in range(STARS)
    ]
    x, y = (0.15 + 0.7 * next(dice)) * width, (0.2 + 0.25 * next(dice)) * height
    size = (0.08 + 0.06 * next(dice)) * min(width, height)
    for glow in (1.8, 1.4, 1.0):
        colour = _blend(palette[2], palette[1], (glow - 1.0) * 0.8)
        discs.append(_Disc(x=x, y=y, wide=size * glow, high=size * glow, colour=colour))
    for number in range(HILLS):
        nearness = number / (HILLS - 1)
        colour = _blend(palette[3], palette[4], nearness)
        top = (0.5 + 0.4 * nearness) * height
        for _ in range(2):
            wide, high = (0.35 + 0.45 * next(dice)) * width, (0.7 + 0.3 * next(dice)) * height / 2
            discs.append(_Disc(x=next(dice) * width, y=top + high, wide=wide, high=high, colour=colour))
    return discs


def _dice(prompt: str) -> Iterator[float]:
    """Gives numbers from 0 to 1 that depend on the prompt alone."""
    number = 0
    while True:
        digest = hashlib.sha256(f"{number}/{prompt}".encode("utf-8", "surrogatepass")).digest()
        yield from (value / 2**32 for value in struct.unpack(">8I", digest))
        number += 1


def _blend(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
