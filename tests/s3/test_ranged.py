"""Files that are read by ranges."""

import io

from hypothesis import given
from hypothesis import strategies as st

from greenroom.storage.objects.ranged import READ_BYTES, RangedFile

SIZES = st.one_of(st.integers(0, 100), st.integers(READ_BYTES - 2, READ_BYTES + 2), st.just(3 * READ_BYTES + 7))
READS = st.lists(st.tuples(st.integers(-10, 4 * READ_BYTES), st.integers(-1, 2 * READ_BYTES)), max_size=12)


@given(size=SIZES, reads=READS)
def test_it_reads_as_any_file_does(size: int, reads: list[tuple[int, int]]) -> None:
    """Whatever is read in whatever order, and nothing beyond the object is ever asked for."""
    data = bytes(range(251)) * (size // 251 + 1)
    data = data[:size]

    def fetch(start: int, length: int) -> bytes:
        assert 0 <= start < start + length <= size
        return data[start : start + length]

    file, model = RangedFile(size, fetch), io.BytesIO(data)
    for place, length in reads:
        if place < 0:
            assert file.seek(max(place, -size), io.SEEK_END) == model.seek(max(place, -size), io.SEEK_END)
        else:
            assert file.seek(place) == model.seek(place)
        assert file.read(length) == model.read(length)
        assert file.tell() == model.tell()
