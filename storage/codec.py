"""Records as msgpack, and the one form a record has in every store.

What is appended is encoded, and read back at once unless its like was before: memory, journal and parts then hold equal
values, nothing is kept that could not be read again, and a caller who changes a dict after the append changes no stored
row. Times are kept to the microsecond, JSON fields as JSON makes them (a tuple becomes a list).
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import RECORD_TYPES, Record
from greenroom.storage.field import FieldKind, fields_of

_ENCODER: Final = msgspec.msgpack.Encoder()
_set: Final = msgspec.structs.force_setattr
_values: Final = msgspec.structs.astuple
_DECODER: Final = msgspec.msgpack.Decoder(list[Record])
_UINT64: Final = 0xCF
_BEYOND_INT64: Final = re.compile(rb"\xcf[\x80-\xff]")  # msgpack's uint64 marker before a number of 2**63 or more
_MIN_TIME: Final = -62_135_596_800.0  # year 1
_MAX_TIME: Final = 253_402_300_799.0  # year 9999
_EXACT_BELOW: Final = 2.0**31  # seconds times 1e6 leave room for a half there, so a plain product rounds right
_MAX_INT64: Final = 2**63 - 1
_PLAIN: Final = frozenset({str, int, float, bool, bytes, type(None)})
_MAX_PROVEN: Final = 1024  # there are fewer: a field has its type or is None
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
        settled = _unread(records)
        if settled is None:
            settled = _read_back(records)
        body = _ENCODER.encode(settled)
    except (TypeError, ValueError, OverflowError) as error:  # msgspec's own errors are ValueErrors
        raise StorageError(f"a record cannot be stored: {error}; give every field a value of its type") from error
    if _UINT64 in body and _BEYOND_INT64.search(body):
        _check_integers(settled)
    return Encoded(body[_header_bytes(len(settled)) :], settled)


def join(payloads: Sequence[bytes], count: int) -> bytes:
    """Return one msgpack array of `count` records out of the payloads of several appends."""
    return b"".join((b"\xdd", count.to_bytes(4, "big"), *payloads))


def decode(body: bytes) -> list[Record]:
    """Return the records of one msgpack array as they were kept.

    Raises:
        ValueError: The bytes are not records.
    """
    return _DECODER.decode(body)


def micros(seconds: float) -> int:
    """Return epoch seconds as the nearest whole microsecond."""
    whole = int(seconds // 1)
    return whole * 1_000_000 + round((seconds - whole) * 1e6)


class _Kind:
    """What there is to know about one type of record.

    Attributes:
        times: Names of the fields that are times. `integers` likewise; `texts` are those of JSON.
        proven: Types of the fields of records that came back from their bytes with these very types.
    """

    def __init__(self, kind: type[Record]) -> None:
        fields = fields_of(kind)
        self.times = tuple(field.name for field in fields if field.kind is FieldKind.TIME)
        self.integers = tuple(field.name for field in fields if field.kind is FieldKind.INTEGER)
        self.texts = tuple(field.name for field in fields if field.kind is FieldKind.JSON and not field.is_tuple)
        self.proven: set[tuple[type, ...]] = set()


_KINDS: Final[dict[type[Record], _Kind]] = {kind: _Kind(kind) for kind in RECORD_TYPES.values()}


def _unread(records: Sequence[Record]) -> list[Record] | None:
    """Return the records as they would be read back, or None when they have to be read back to know.

    A field's type is all that reading checks, and values of the plain types cannot change. So a record like one that
    came back as it was is kept as it is, which takes a fraction of the time and none of the memory.
    """
    settled: list[Record] = []
    for record in records:
        kind = _KINDS.get(type(record))
        if kind is None or tuple(map(type, _values(record))) not in kind.proven:
            return None
        settled.append(_settled(record, kind, is_ours=False))
    return settled


def _read_back(records: Sequence[Record]) -> list[Record]:
    """Return the records as they come back from their bytes, and remember whose like need not go there again."""
    settled = decode(_ENCODER.encode(records if isinstance(records, list) else list(records)))
    for record, other in zip(records, settled, strict=True):
        kind = _KINDS[type(other)]
        types = tuple(map(type, _values(record)))
        is_plain = not kind.texts and _PLAIN.issuperset(types)
        if is_plain and types == tuple(map(type, _values(other))) and len(kind.proven) < _MAX_PROVEN:
            kind.proven.add(types)
    return [_settled(record, _KINDS[type(record)], is_ours=True) for record in settled]


def _settled(record: Record, kind: _Kind, *, is_ours: bool) -> Record:
    """Return the record with the values that every store keeps.

    Args:
        is_ours: Nobody else has the record yet, so it may be changed.
    """
    for name in kind.times:
        value: float | None = getattr(record, name)
        if value is None:
            continue
        if 0.0 <= value < _EXACT_BELOW:
            rounded = (value * 1e6 + 0.5) // 1.0 / 1e6
        elif _MIN_TIME <= value <= _MAX_TIME:
            rounded = micros(value) / 1_000_000
        else:
            raise ValueError(f"{name} is {value}, which is not a time between the years 1 and 9999")
        if rounded != value:
            if not is_ours:
                record, is_ours = msgspec.structs.replace(record), True
            _set(record, name, rounded)
    for name in kind.texts:
        text = msgspec.json.encode(getattr(record, name))
        _set(record, name, msgspec.json.decode(text))
    return record


def _check_integers(records: Sequence[Record]) -> None:
    for record in records:
        for name in _KINDS[type(record)].integers:
            value: int | None = getattr(record, name)
            if value is not None and value > _MAX_INT64:
                raise StorageError(f"a record cannot be stored: {name} is {value}; give a 64-bit integer")


def _header_bytes(count: int) -> int:
    if count <= _FIXARRAY_MAX:
        return 1
    return 3 if count <= _ARRAY16_MAX else 5
