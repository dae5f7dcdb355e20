"""Filling: instances of JSON Schemas, made from a conversation.

Pure. `fill` gives an instance that validates or raises; it tries a full one made from the conversation first, then a
plain one made from the schema alone.
"""

from dataclasses import replace
from typing import Final

from greenroom.actors.rehearsal.conversation import Conversation
from greenroom.actors.rehearsal.fields import Family, Spot, family_of, has_text, stated_value
from greenroom.actors.rehearsal.outline import asked_items
from greenroom.actors.rehearsal.request import Json
from greenroom.actors.rehearsal.scalars import boolean_for, has_number, member_for, number_for, string_for
from greenroom.actors.rehearsal.schema import Schema, UnsatisfiableSchema, allows_null, merge, type_of
from greenroom.actors.rehearsal.words import overlap, requested_count, stems, words

MAX_DEPTH: Final = 24
MAX_FULL_DEPTH: Final = 4
MAX_ITEMS: Final = 64
MAX_VARIATIONS: Final = 200
USUAL_ITEMS: Final = 3
MIN_COPIED_FIELDS: Final = 2
MAX_COPIED_CHARS: Final = 600


def fill(schema: dict[str, Json], conversation: Conversation, *, is_sparse: bool = False) -> Json:
    """Gives an instance of a schema.

    Args:
        schema: the root schema.
        conversation: where the words come from.
        is_sparse: leave out what is optional and not asked for (tool arguments).

    Raises:
        UnsatisfiableSchema: it is not a schema, or no instance was found.
    """
    filler = _Filler(Schema(schema))
    problem = ""
    for spot in (Spot(is_sparse=is_sparse), Spot(is_sparse=True, is_plain=True)):
        try:
            value = filler.value(schema, spot, conversation)
        except UnsatisfiableSchema as error:
            problem = str(error)
            continue
        problem = filler.schema.first_error(value)
        if not problem:
            return value
    raise UnsatisfiableSchema(f"rehearsal found no instance of the schema: {problem}")


class _Filler:
    """Walks one root schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def value(self, part: Json, spot: Spot, conversation: Conversation, record: dict[str, Json] | None = None) -> Json:
        if spot.depth > MAX_DEPTH:
            raise UnsatisfiableSchema(f"nested deeper than {MAX_DEPTH}")
        part = self.schema.resolve(part)
        spot = replace(spot, description=str(part.get("description", spot.description)))
        if "const" in part:
            return part["const"]
        if "enum" in part:
            return member_for(part["enum"], part.get("default"), conversation)
        if branches := part.get("anyOf") or part.get("oneOf"):
            return self._union(part, branches, spot, conversation, record)
        if allows_null(part) and self._is_better_null(part, spot, conversation):
            return None
        match type_of(part):
            case "object":
                return self._object(part, spot, conversation, record)
            case "array":
                return self._array(part, spot, conversation)
            case "integer":
                return number_for(part, spot, conversation, is_whole=True)
            case "number":
                return number_for(part, spot, conversation, is_whole=False)
            case "boolean":
                return boolean_for(part, spot, conversation)
            case "null":
                return None
            case _:
                return string_for(part, spot, conversation)

    def _union(
        self,
        part: dict[str, Json],
        branches: list[Json],
        spot: Spot,
        conversation: Conversation,
        record: dict[str, Json] | None,
    ) -> Json:
        """Takes the first branch that gives a valid instance; null first where there is nothing to say."""
        base = {key: value for key, value in part.items() if key not in ("anyOf", "oneOf")}
        merged = [merge(base, self.schema.resolve(branch)) for branch in branches if branch is not False]
        nulls = [branch for branch in merged if branch.get("type") == "null"]
        others = [branch for branch in merged if branch.get("type") != "null"]
        is_null_first = nulls and all(self._is_better_null(branch, spot, conversation) for branch in others)
        for branch in [*nulls, *others] if is_null_first else [*others, *nulls]:
            try:
                value = self.value(branch, replace(spot, depth=spot.depth + 1), conversation, record)
            except UnsatisfiableSchema:
                continue
            if self.schema.is_valid(part, value):
                return value
        raise UnsatisfiableSchema(f"no member of the union at '{spot.name}' has an instance")

    def _is_better_null(self, part: dict[str, Json], spot: Spot, conversation: Conversation) -> bool:
        if spot.is_plain or spot.depth > MAX_FULL_DEPTH:
            return True
        return not self._is_worth_filling(part, spot, conversation)

    def _is_worth_filling(self, part: Json, spot: Spot, conversation: Conversation) -> bool:
        """Tells whether the conversation has something for a spot that may stay empty."""
        if spot.is_plain or spot.depth > MAX_FULL_DEPTH:
            return False
        part = self.schema.resolve(part)
        branches = [self.schema.resolve(branch) for branch in part.get("anyOf") or part.get("oneOf") or ()]
        if branches:
            return any(self._is_worth_filling(branch, spot, conversation) for branch in branches)
        if "enum" in part:
            return any(overlap(stems(conversation.ask), str(member).replace("_", " ")) for member in part["enum"])
        if self._recorded(part, spot, conversation) is not None:
            return True
        match type_of(part):
            case "integer" | "number":
                return has_number(spot, conversation)
            case "string":
                if spot.is_sparse:
                    return bool(stated_value(spot.name, conversation.ask))
                return has_text(spot, conversation)
            case "array" | "object":
                return not spot.is_sparse
            case "boolean":
                return bool(stated_value(spot.name, conversation.ask))
            case _:
                return False

    def _recorded(self, part: Json, spot: Spot, conversation: Conversation) -> Json:
        """Gives the value that JSON in the conversation holds under the spot's name; None when none fits."""
        if spot.is_plain or not spot.name or type_of(part) not in ("integer", "number", "boolean", "string"):
            return None
        if type_of(part) == "string" and family_of(spot) is not None:
            return None
        held = (record[spot.name] for pool in conversation.pools for record in pool.records if spot.name in record)
        return next((value for value in held if value is not None and self.schema.is_valid(part, value)), None)

    def _object(
        self, part: dict[str, Json], spot: Spot, conversation: Conversation, record: dict[str, Json] | None
    ) -> dict[str, Json]:
        if spot.is_sparse and not spot.is_plain and (whole := self._whole_record(part, conversation)) is not None:
            return whole
        properties: dict[str, Json] = part.get("properties", {})
        required: list[str] = part.get("required", [])
        made: dict[str, Json] = {}
        numbers = 0
        for name, inner in properties.items():
            here = replace(spot, name=name, description="", depth=spot.depth + 1, ordinal=numbers)
            if name not in required and not self._is_worth_filling(inner, here, conversation):
                continue
            resolved = self.schema.resolve(inner)
            numbers += type_of(resolved) in ("integer", "number") and not has_number(here, conversation)
            copied = self._copied(inner, here, record) if record else None
            copied = copied if copied is not None else self._recorded(resolved, here, conversation)
            made[name] = copied if copied is not None else self.value(inner, here, conversation)
        self._add_unnamed(part, made, spot, conversation)
        return made

    def _add_unnamed(
        self, part: dict[str, Json], made: dict[str, Json], spot: Spot, conversation: Conversation
    ) -> None:
        """Adds the members that only `required`, `dependentRequired` and `minProperties` speak of."""
        names = [name for name in part.get("required", ()) if name not in made]
        for trigger, others in part.get("dependentRequired", {}).items():
            names += [name for name in others if trigger in made and name not in made]
        names += [f"item_{number}" for number in range(part.get("minProperties", 0) - len(made) - len(names))]
        for name in names:
            inner = part.get("properties", {}).get(name, part.get("additionalProperties", True))
            here = replace(spot, name=name, description="", depth=spot.depth + 1)
            made[name] = self.value(inner, here, conversation)

    def _whole_record(self, part: dict[str, Json], conversation: Conversation) -> dict[str, Json] | None:
        """Gives the latest JSON object of the conversation that is an instance and has every required member."""
        required = part.get("required", ())
        if len(required) < MIN_COPIED_FIELDS:
            return None
        records = [record for pool in reversed(conversation.pools) for record in pool.records]
        fitting = (record for record in records if all(name in record for name in required))
        return next((record for record in fitting if self.schema.is_valid(part, record)), None)

    def _copied(self, part: Json, spot: Spot, record: dict[str, Json]) -> Json:
        """Gives what a record holds under the spot's name or one of the same family; None if nothing fits."""
        family = family_of(spot)
        names = [spot.name] if spot.name in record else []
        names += [name for name in record if family is not None and family_of(Spot(name=name)) is family]
        held = (record[name] for name in names)
        usable = (value for value in held if value is not None and not _is_document(value))
        return next((value for value in usable if self.schema.is_valid(part, value)), None)

    def _array(self, part: dict[str, Json], spot: Spot, conversation: Conversation) -> list[Json]:
        leading: list[Json] = part.get("prefixItems", [])
        inner = part.get("items", True)
        is_quoted = spot.is_quoted or family_of(spot) is Family.QUOTE
        # A quotation is a sentence: the record it stands in would be more than was asked for.
        records = () if spot.is_plain or is_quoted else self._matching_list(inner, conversation)
        count = self._count(part, spot, conversation, len(records))
        made: list[Json] = []
        for index in range(count):
            member = leading[index] if index < len(leading) else inner
            if member is False:
                break
            here = replace(spot, index=index, count=count, offset=index, depth=spot.depth + 1, is_quoted=is_quoted)
            record = records[index] if index < len(records) else None
            made.append(self._entry(member, here, conversation, record))
            if part.get("uniqueItems"):
                made[-1:] = self._distinct(member, made[-1], made[:-1])
        return made

    def _entry(self, part: Json, spot: Spot, conversation: Conversation, record: dict[str, Json] | None) -> Json:
        """Fills an entry; an object gets its own share of the evidence."""
        if type_of(self.schema.resolve(part)) != "object" or spot.index is None:
            return self.value(part, spot, conversation)
        share = conversation.narrowed(spot.index, spot.count)
        is_own_result = share.ask != conversation.ask
        share = share.holding(record) if record else share
        here = replace(spot, offset=None, index=None if is_own_result else spot.index)
        return self.value(part, here, share, record)

    def _matching_list(self, inner: Json, conversation: Conversation) -> tuple[dict[str, Json], ...]:
        """Gives the list of records that shares most member names with the entries asked for; empty when none does."""
        names = self.schema.resolve(inner).get("properties", {}) if inner not in (True, False) else {}
        families = {family_of(Spot(name=name)) for name in names} - {None}
        best: tuple[dict[str, Json], ...] = ()
        most = 0.0
        for records in (records for pool in conversation.pools for records in pool.lists):
            keys = records[0].keys()
            shared = len(names.keys() & keys) + 0.5 * len(families & {family_of(Spot(name=key)) for key in keys})
            if shared > most:
                best, most = records, shared
        return best

    def _count(self, part: dict[str, Json], spot: Spot, conversation: Conversation, records: int) -> int:
        least = max(part.get("minItems", 0), len(part.get("prefixItems", ())))
        most = max(least, min(part.get("maxItems", MAX_ITEMS), MAX_ITEMS))
        if spot.is_plain or spot.depth > MAX_FULL_DEPTH:
            return int(least)
        return int(min(max(self._wanted_count(spot, conversation, records), least), most))

    def _wanted_count(self, spot: Spot, conversation: Conversation, records: int) -> int:
        asked = requested_count(conversation.ask, spot.name) if spot.name else None
        if asked is not None:
            return asked
        if family_of(spot) in (Family.QUOTE, Family.SOURCE):
            used = conversation.evidence[:USUAL_ITEMS]
            return len({item.source for item in used} if family_of(spot) is Family.SOURCE else used)
        is_nested = spot.index is not None
        if not is_nested and (listed := len(conversation.items) or asked_items(conversation.ask)):
            return listed
        if not is_nested and len(conversation.results) > 1 and family_of(spot) is not Family.BODY:
            return records or len(conversation.results)
        return records or (1 if spot.is_sparse or is_nested else USUAL_ITEMS)

    def _distinct(self, part: Json, value: Json, others: list[Json]) -> list[Json]:
        """Gives the value changed until it differs from the others, or nothing when no change is valid."""
        if value not in others:
            return [value]
        members = self.schema.resolve(part).get("enum", [])
        changed: list[Json] = list(members) if members else [True, False] if isinstance(value, bool) else []
        if isinstance(value, str) and not members:
            changed = [f"{value} {number}" for number in range(2, MAX_VARIATIONS)]
        elif isinstance(value, int | float) and not changed:
            changed = [value + sign * number for number in range(1, MAX_VARIATIONS) for sign in (1, -1)]
        return [item for item in changed if item not in others and self.schema.is_valid(part, item)][:1]


def _is_document(value: Json) -> bool:
    """Tells whole documents, which are condensed, from the texts of records, which are copied."""
    return isinstance(value, str) and (len(value) > MAX_COPIED_CHARS or "\n\n" in value)


def is_single_text(schema: dict[str, Json]) -> str | None:
    """Gives the name of the one string that a tool's schema requires (or has, if it requires none); else None."""
    properties = schema.get("properties", {})
    names = schema.get("required") or (list(properties) if len(properties) == 1 else [])
    if len(names) != 1 or not isinstance(properties.get(names[0]), dict):
        return None
    return str(names[0]) if properties[names[0]].get("type") == "string" and words(names[0]) else None
