"""What a column that an older part lacks holds: fields are only ever added, with defaults."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from greenroom.runtime.contracts.records import RECORD_TYPES, Table
from greenroom.storage.field import FieldKind, fields_of


def defaults_of(table: Table) -> dict[str, Any]:
    """Return the values of fields that are never null in a record, as their columns have them."""
    kind = RECORD_TYPES[table]
    kinds = {field.name: field.kind for field in fields_of(kind)}
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        value = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            value = field.default_factory()
        if value is None or value is msgspec.NODEFAULT:
            continue
        match kinds[field.name]:
            case FieldKind.JSON:
                value = msgspec.json.encode(value).decode()
            case FieldKind.TIME:
                value = datetime.fromtimestamp(value, UTC)
            case _:
                pass
        found[field.name] = value
    return found
