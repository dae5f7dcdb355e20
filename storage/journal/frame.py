"""Frames of the journal: one group of records that is kept whole or not at all.

Header of 44 bytes, then the body, one msgpack array of records. The header's own checksum tells a garbled length from a
torn body; `previous` is the header checksum of the frame before, so that a hole or a swapped segment shows.
"""

import struct
from typing import Final, NamedTuple

import google_crc32c

MAGIC: Final = b"AWL1"
_FIELDS: Final = struct.Struct("<4sHHIIQQII")  # magic flags reserved body_len count epoch first_seq previous body_crc
_CHECKSUM: Final = struct.Struct("<I")
HEADER_BYTES: Final = _FIELDS.size + _CHECKSUM.size


class Header(NamedTuple):
    """What stands before a body.

    Attributes:
        previous: `checksum` of the frame before; 0 at the very first.
        checksum: CRC of the fields above, which cover the body by `body_crc`.
    """

    body_bytes: int
    records: int
    epoch: int
    first_seq: int
    previous: int
    body_crc: int
    checksum: int


def pack(body: bytes, *, count: int, epoch: int, first_seq: int, previous: int) -> tuple[bytes, int]:
    """Return the header for this body, and its checksum."""
    crc = google_crc32c.value(body)
    fields = _FIELDS.pack(MAGIC, 0, 0, len(body), count, epoch, first_seq, previous, crc)
    checksum: int = google_crc32c.value(fields)
    return fields + _CHECKSUM.pack(checksum), checksum


def read_header(data: bytes, offset: int) -> Header | None:
    """Return the header at this offset, or None when there is no valid one."""
    end = offset + HEADER_BYTES
    if end > len(data) or not data.startswith(MAGIC, offset):
        return None
    fields = data[offset : offset + _FIELDS.size]
    (checksum,) = _CHECKSUM.unpack_from(data, offset + _FIELDS.size)
    if google_crc32c.value(fields) != checksum:
        return None
    _, _, _, body_bytes, records, epoch, first_seq, previous, body_crc = _FIELDS.unpack(fields)
    return Header(body_bytes, records, epoch, first_seq, previous, body_crc, checksum)


def read_body(data: bytes, offset: int, header: Header) -> bytes | None:
    """Return the body of the frame at this offset, or None when it is short or damaged."""
    start = offset + HEADER_BYTES
    body = data[start : start + header.body_bytes]
    if len(body) != header.body_bytes or google_crc32c.value(body) != header.body_crc:
        return None
    return body


def find_header(data: bytes, offset: int, epoch: int) -> int | None:
    """Return where the next valid header of this epoch begins, or None."""
    while (offset := data.find(MAGIC, offset)) >= 0:
        header = read_header(data, offset)
        if header is not None and header.epoch == epoch:
            return offset
        offset += 1
    return None
