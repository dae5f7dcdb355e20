"""The real clock, the real source of ids, and whether a process lives."""

import asyncio
import os
import secrets
import time
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of this number that has not ended.

    In a container without an init process, one that has ended may keep its number for ever: nobody asks how it ended.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:  # it has just ended, or this system has no such folder
        return not Path("/proc/self").exists()
    return words[0] not in {"Z", "X"}


class SystemClock:
    """The machine's time."""

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time()

    async def sleep_until(self, at: float) -> None:
        """Return at or after this time."""
        await asyncio.sleep(max(0.0, at - time.time()))


class RandomIds:
    """Ids nobody else makes."""

    def run_id(self) -> str:
        """Return a UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then random bits."""
        value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
        value = value & ~(0xF << 76) | (0x7 << 76)
        value = value & ~(0x3 << 62) | (0x2 << 62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def trace_id(self) -> str:
        """Return 16 random bytes as hex (W3C Trace Context, section 3.2.2.3)."""
        return secrets.token_hex(16)
