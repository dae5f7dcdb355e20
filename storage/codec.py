"""Records as msgpack, and the one form a record has in every store.

What is appended is encoded and read back at once: memory, journal and parts then hold equal values, nothing is kept
that could not be read again, and a caller who changes a dict after the append changes no stored row. Times are kept to
the microsecond, JSON fields as JSON makes them (a tuple becomes a list).
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import Record
from greenroom.storage.field import FieldKind, fields_of

_ENCODER: Final = msgspec.msgpack.Encoder()
_set: Final = msgspec.structs.force_setattr
_DECODER: Final = msgspec.msgpack.Decoder(list[Record])
_UINT64: Final = 0xCF
_BEYOND_INT64: Final = re.compile(rb"\xcf[\x80-\xff]")  # msgpack's uint64 marker before a number of 2**63 or more
_MIN_TIME: Final = -62_135_596_800.0  # year 1
_MAX_TIME: Final = 253_402_300_799.0  # year 9999
_EXACT_BELOW: Final = 2.0**31  # seconds times 1e6 leave room for a half there, so a plain product rounds right
_MAX_INT64: Final = 2**63 - 1
_FIXARRAY_MAX: Final = 15
_ARRAY16_MAX: Final = 0xFFFF


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """Records of one append.

    Attributes:
        payload: The elements of a msgpack array, one after the other, without the array's header.
        records: The same as they will be read back.
    """

    payload: bytes
    records: list[Record]


def encode(records: Sequence[Record]) -> Encoded:
    """Return the records as bytes and as they will be read back.

    Raises:
        StorageError: A value does not fit its field or cannot be stored.
    """
    try:
        body = _ENCODER.encode(records if isinstance(records, list) else list(records))
        settled = decode(body)
    except (TypeError, ValueError, OverflowError) as error:  # msgspec's own errors are ValueErrors
        raise StorageError(f"a record cannot be stored: {error}; give every field a value of its type") from error
    if _UINT64 in body and _BEYOND_INT64.search(body):
        _check_integers(settled)
    return Encoded(body[_header_bytes(len(settled)) :], settled)


def join(payloads: Sequence[bytes], count: int) -> bytes:
    """Return one msgpack array of `count` records out of the payloads of several appends."""
    return b"".join((b"\xdd", count.to_bytes(4, "big"), *payloads))


def decode(body: bytes) -> list[Record]:
    """Return the records of one msgpack array.

    Raises:
        ValueError: The bytes are not records, or a value is out of range.
    """
    records = _DECODER.decode(body)
    for record in records:
        _settle(record)
    return records


def micros(seconds: float) -> int:
    """Return epoch seconds as the nearest whole microsecond."""
    whole = int(seconds // 1)
    return whole * 1_000_000 + round((seconds - whole) * 1e6)


def _settle(record: Record) -> None:
    """Give the fresh, still unshared record the values that every store keeps."""
    times, texts = _unsettled_fields(type(record))
    for name in times:
        value: float | None = getattr(record, name)
        if value is None:
            continue
        if 0.0 <= value < _EXACT_BELOW:
            settled = (value * 1e6 + 0.5) // 1.0 / 1e6
            if settled != value:
                _set(record, name, settled)
        elif _MIN_TIME <= value <= _MAX_TIME:
            _set(record, name, micros(value) / 1_000_000)
        else:
            raise ValueError(f"{name} is {value}, which is not a time between the years 1 and 9999")
    for name in texts:
        text = msgspec.json.encode(getattr(record, name))
        _set(record, name, msgspec.json.decode(text))


@cache
def _unsettled_fields(kind: type[Record]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    fields = fields_of(kind)
    times = tuple(field.name for field in fields if field.kind is FieldKind.TIME)
    return times, tuple(field.name for field in fields if field.kind is FieldKind.JSON and not field.is_tuple)


def _check_integers(records: Sequence[Record]) -> None:
    for record in records:
        for field in fields_of(type(record)):
            value: Any = getattr(record, field.name)
            if field.kind is FieldKind.INTEGER and value is not None and value > _MAX_INT64:
                raise StorageError(f"a record cannot be stored: {field.name} is {value}; give a 64-bit integer")


def _header_bytes(count: int) -> int:
    if count <= _FIXARRAY_MAX:
        return 1
    return 3 if count <= _ARRAY16_MAX else 5
