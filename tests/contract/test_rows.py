"""Rows in memory against a dict, with scans between the puts: what one scan sorted must not mislead the next."""

from hypothesis import given
from hypothesis import strategies as st

from greenroom.runtime.contracts.records import Record
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.rows import Rows
from tests.contract.records import head, journal, message

NAMES = st.sampled_from(["a", "b", "c"])
TABLES = st.sampled_from(
    [
        st.builds(head, NAMES, at=st.integers(0, 3).map(float), groups=st.integers(0, 2)),
        st.builds(journal, NAMES, st.integers(1, 3), body=st.binary(max_size=1)),
        st.builds(message, NAMES, st.integers(1, 3), workspace=NAMES),
    ]
)
STEPS = TABLES.flatmap(lambda records: st.lists(st.one_of(records, records, records, st.just(None)), max_size=30))


def see(record: Record, seq: int) -> Record:
    return record


@given(STEPS, st.booleans())
def test_rows_are_a_dict_that_scans_in_order(steps: list[Record | None], is_copied: bool) -> None:
    """After any puts and scans each scan gives the newest row of each key, in order, and prefixes give their part."""
    rows = Rows()
    model: dict[object, Record] = {}
    for seq, step in enumerate([*steps, None], start=1):
        if step is not None:
            rows.put(step, seq)
            model[step.row_key] = step
            continue
        if is_copied:
            rows = rows.shown(see)
        expected = sorted(model.values(), key=lambda row: (row.order, row.row_key))
        assert rows.select(Query(), see) == expected
        assert rows.select(Query(reverse=True, limit=2), see) == expected[:-3:-1]
        assert len(rows) == len(expected)
        for row in expected:
            assert rows.get(row.row_key, see) == row
            for length in range(1, len(row.row_key) + 1):
                prefix = row.row_key[:length]
                wanted = [other for other in expected if other.row_key[:length] == prefix]
                assert rows.select(Query(prefix=prefix), see) == wanted
                assert {other.row_key for other in wanted} <= rows.keys(prefix)


def test_a_row_replaced_between_two_scans_shows_its_newest() -> None:
    """What one scan has sorted is sorted anew where a key was put again."""
    rows = Rows()
    for seq in range(1, 5):
        rows.put(head("a", groups=seq), seq)
        rows.put(head("b", at=0.5, groups=seq), seq + 4)
        assert rows.select(Query(), see) == [head("b", at=0.5, groups=seq), head("a", groups=seq)]
