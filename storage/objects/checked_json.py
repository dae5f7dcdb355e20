"""JSON files with a checksum that any JSON reader can skip: the last field is the CRC of the text before it."""

from pathlib import Path
from typing import Any, Final, TypeVar

import google_crc32c
import msgspec

from greenroom.storage.objects.failure import corrupt

T = TypeVar("T")

_SEAL: Final = b',"crc32c":'


def encode(value: msgspec.Struct) -> bytes:
    """Return the struct, which has at least one field that is not left out, as one JSON object with its checksum."""
    text = msgspec.json.encode(value)[:-1]
    return text + _SEAL + str(google_crc32c.value(text)).encode() + b"}\n"


def decode(data: bytes, kind: type[T], path: Path | str) -> T:
    """Return the value that was encoded.

    Raises:
        StorageCorrupt: The bytes are not those that were written.
    """
    text, seal, rest = data.rpartition(_SEAL)
    if not seal or rest != str(google_crc32c.value(text)).encode() + b"}\n":
        raise corrupt(path, 0, "its checksum is wrong")
    try:
        return msgspec.json.decode(text + b"}", type=kind)
    except msgspec.DecodeError as error:
        raise corrupt(path, 0, f"it does not hold what it should ({error})") from error


def peek(data: bytes, path: Path | str) -> dict[str, Any]:
    """Return the fields as they are, for files whose form may be newer than this code."""
    return decode(data, dict[str, Any], path)
