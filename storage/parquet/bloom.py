"""Reading Parquet's split-block Bloom filters (Apache Parquet format, BloomFilter.md; hash XXH64 with seed 0).

Arrow writes them and has no call that reads them. A filter says "not here" for certain, or "maybe".
"""

import struct
from typing import Final

import xxhash

_SALT: Final = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
_BLOCK: Final = struct.Struct("<8I")
_MASK: Final = 0xFFFFFFFF


class BloomFilter:
    """The filter of one column of one row group.

    Args:
        data: As it stands in the file: a Thrift header, then the bits.
    """

    def __init__(self, data: bytes) -> None:
        # The header's first field is the number of bytes of bits, a zigzag varint; all before the bits is header.
        size = shift = 0
        for byte in data[1:]:
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:  # noqa: PLR2004 - the varint's last byte
                break
        self._bits = data[len(data) - (size >> 1) :]
        self._blocks = len(self._bits) // _BLOCK.size

    def may_hold(self, text: str) -> bool:
        """Return False when no row of the group has this value."""
        digest = xxhash.xxh64_intdigest(text.encode())
        block = _BLOCK.unpack_from(self._bits, ((digest >> 32) * self._blocks >> 32) * _BLOCK.size)
        key = digest & _MASK
        return all(word >> ((key * salt & _MASK) >> 27) & 1 for word, salt in zip(block, _SALT, strict=True))
