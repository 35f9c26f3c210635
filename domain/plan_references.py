"""What `depends_on` of a plan's entries means: a name, an `id` beside one, or a step's number (rule 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any
from uuid import UUID

from domain.errors import PlanRefused

DEPENDS_ON = ("depends_on", "dependsOn")
"""Both spellings of the field."""

MAX_STEPS = 200
Entry = Mapping[str, Any]


def by_name(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The entries without `id`, depending on names; what is no name, id or number of this plan is left as it is: it
    may be a step of an earlier one. PlanRefused where there is more than one way to read it.
    """
    names = [str(entry.get("name", "")) for entry in entries]
    ids = _ids(entries, names)
    base = _counted_from(entries, names, ids)

    def meant(wanted: Any) -> Any:
        place = _place(wanted, names, ids, base)
        return wanted if place is None else names[place]

    return [_with_needs(entry, meant) for entry in entries]


def check_count(steps: int) -> None:
    """PlanRefused where a plan has too many steps; before anything looks at each of them beside all others."""
    if steps > MAX_STEPS:
        raise PlanRefused(f"a plan has at most {MAX_STEPS} steps, this one has {steps}")


def needs_of(entry: Entry) -> list[Any]:
    """All that an entry says it depends on, as its writer gave it."""
    return [each for field in DEPENDS_ON if field in entry and _is_needs(entry[field]) for each in _needs(entry[field])]


def _with_needs(entry: Entry, meant: Any) -> dict[str, Any]:
    read = {name: value for name, value in entry.items() if name != "id"}
    for field in DEPENDS_ON:
        if field in entry:
            read[field] = [meant(each) for each in _needs(entry[field])] if _is_needs(entry[field]) else entry[field]
    return read


def _is_needs(value: object) -> bool:
    return value is None or isinstance(value, str | list) or _is_number(value)


def _needs(value: Any) -> list[Any]:
    """One alone is written without a list, too; and nothing, in YAML, as nothing."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _ids(entries: Sequence[Entry], names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, entry in enumerate(entries):
        identity = entry.get("id")
        if identity is None:
            continue
        if not isinstance(identity, str) and not _is_number(identity):
            raise PlanRefused(f"step {place + 1} ({names[place][:100]!r}): id: a text or a number is needed")
        key = str(identity).strip()
        if _is_uuid(key):
            raise PlanRefused(
                f"step {place + 1} ({names[place][:100]!r}): id: {key} is the id of an existing step, which stays by "
                "itself; a new step has a name, or an id of this plan's own"
            )
        if key in found:
            raise PlanRefused(f"steps {found[key] + 1} and {place + 1} have the same id {key[:100]!r}")
        if key in names and names[place] != key:
            raise PlanRefused(f"{key[:100]!r} is the id of one step and the name of another")
        found[key] = place
    return found


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _place(wanted: Any, names: Sequence[str], ids: Mapping[str, int], base: int) -> int | None:
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    if (isinstance(wanted, str) or _is_number(wanted)) and str(wanted).strip() in ids:
        return ids[str(wanted).strip()]
    number = number_of(wanted)
    return None if number is None else number - base


def number_of(wanted: Any) -> int | None:
    """The number that `wanted` is, or is the text of."""
    if _is_number(wanted):
        return int(wanted)
    if isinstance(wanted, str) and wanted.strip().isdecimal() and len(wanted) < 10:
        return int(wanted)
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _counted_from(entries: Sequence[Entry], names: Sequence[str], ids: Mapping[str, int]) -> int:
    """0 or 1, whichever makes a plan of the numbers; PlanRefused where both do, or none."""
    numbered = [
        (place, number)
        for place, entry in enumerate(entries)
        for wanted in needs_of(entry)
        if (number := number_of(wanted)) is not None and str(wanted).strip() not in ids and wanted not in names
    ]
    if not numbered:
        return 1
    fitting = [base for base in (1, 0) if _fits(entries, names, ids, numbered, base)]
    if len(fitting) == 1:
        return fitting[0]
    place, number = numbered[0]
    why = "can be counted from 1 or from 0" if fitting else "is no step, counted from 1 or from 0"
    raise PlanRefused(f"step {place + 1} ({names[place][:100]!r}) depends on {number}, which {why}: name the step")


def _fits(
    entries: Sequence[Entry],
    names: Sequence[str],
    ids: Mapping[str, int],
    numbered: Sequence[tuple[int, int]],
    base: int,
) -> bool:
    if any(not 0 <= number - base < len(entries) for _, number in numbered):
        return False
    graph = {
        place: {other for wanted in needs_of(entry) if (other := _place(wanted, names, ids, base)) is not None}
        for place, entry in enumerate(entries)
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return False
    return True
