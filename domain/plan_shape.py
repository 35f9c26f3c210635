"""From decoded JSON or YAML to the entries of a plan: all steps that are in it, groups as phases, or a refusal.

Nothing is ever taken in part: what can't be placed is named (rule 3.3).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.documents import read_relaxed_json
from domain.errors import DocumentBroken, PlanRefused
from domain.plan_references import DEPENDS_ON, check_count, needs_of, number_of

STEPS = "steps"
OF_STEPS = ("label", "agent", "agents", "model")
"""What a group can't say for all its steps."""
_INSTRUCTIONS = frozenset({"task_plan", "taskPlan"})
_NAMES = ("name", "title", "phase", "milestone", "stage", "id")
_ENTRY = frozenset({*_NAMES, "step", "task", "description", *_INSTRUCTIONS})
"""A mapping with one of these may be a step or a group: it is never left out."""
_NAMED = frozenset(_NAMES)
_TEXTS = ("description", "goal", "objective", "instructions", "details", "context", "notes")
_PART = re.compile(r"sub|child", re.IGNORECASE)
_ONE_AFTER_THE_OTHER = re.compile(r"^(?:phase|stage|milestone|sprint|wave)s?$", re.IGNORECASE)
"""A list called so means an order, also where its entries are steps and not groups of them."""
_NEEDS = re.compile(
    r"^depend|dependenc|^requires?$|^after$|blocked|^needs?$|prerequisite|^waits?|^follows$", re.IGNORECASE
)
"""Fields that may say what has to come first."""
_ORDER = (*("order", "order_index", "orderIndex", "index", "position", "sequence", "number"), *_NAMES)
"""Fields whose numbers say in which order groups come."""
_OF_STEPS = re.compile(r"steps?$", re.IGNORECASE)
_OF_TEXTS = re.compile(r"(?:step|task)s$", re.IGNORECASE)

_JSON = re.compile(r"\s*(?:```\w*\s*)?([\[{].*[\]}])\s*(?:```\s*)?", re.DOTALL)
_KINDS = {"str": "texts", "list": "lists", "dict": "objects"}

Entry = dict[str, Any]
Chain = tuple[str, ...]
"""The names of the groups around something, the outermost first."""


@dataclass(frozen=True)
class _Group:
    names: Chain
    texts: Chain
    """What they say of all their steps, the outermost first."""
    steps: tuple[Entry, ...]


def is_plan(value: object) -> bool:
    """Whether somebody means it as a plan: a list called steps, or instructions for agents anywhere in it. Logs are
    full of lists of objects.
    """
    if isinstance(value, list):
        return any(_INSTRUCTIONS & each.keys() or is_plan(each) for each in value if isinstance(each, dict))
    if isinstance(value, dict):
        return any(_is_list(inner) if name == STEPS else is_plan(inner) for name, inner in value.items())
    return False


def means_steps(value: object) -> bool:
    """Whether instructions for agents are anywhere in it, and no dots in their place, as in an example of the form."""
    if isinstance(value, dict):
        given = [value[name] for name in _INSTRUCTIONS & value.keys()]
        return any(str(each).strip(" .…<>") for each in given) or any(map(means_steps, value.values()))
    return isinstance(value, list) and any(map(means_steps, value))


def entries_of(value: object) -> list[Entry]:
    """All the steps in `value`, as their writer gave them, in order; those of groups with their `order_index`.

    PlanRefused says what was seen where there is no single way to read it.
    """
    groups = list(_groups(value, (), ()))
    check_count(max(len(groups), sum(len(group.steps) for group in groups)))
    _check_all_taken(value, {id(step) for group in groups for step in group.steps})
    _check_numbers(groups)
    if len(groups) == 1:
        return [_with_texts(step, groups[0].texts) for step in groups[0].steps]
    return list(_in_phases(groups))


def seen_in(value: object) -> str:
    """What is there in place of a plan, for whoever has written it."""
    if isinstance(value, dict) and value:
        return "an object with " + ", ".join(
            f"{str(name)[:40]!r} ({_seen(inner)})" for name, inner in list(value.items())[:5]
        )
    return _seen(value)


def _seen(value: object) -> str:
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    if isinstance(value, list):
        kinds = sorted({type(each).__name__ for each in value} & _KINDS.keys())
        return f"a list of {len(value)}" + (f" {' and '.join(_KINDS[kind] for kind in kinds)}" if kinds else "")
    return "nothing" if value is None else "a text" if isinstance(value, str) else str(value)[:40]


def _groups(value: object, around: Chain, texts: Chain, called: str = "") -> Iterator[_Group]:
    if isinstance(value, dict):
        name, inner = _the_list_in(value, around)
        yield from _groups(inner, around, texts, name)
        return
    assert isinstance(value, list)
    for number, entry in enumerate(value, 1):
        if not isinstance(entry, dict):
            raise PlanRefused(f"{_place(around)}entry {number} is no step: {str(entry)[:80]!r}")
    lists = [_lists_in(entry) for entry in value]
    if not any(lists):
        apart = _ONE_AFTER_THE_OTHER.match(called)
        yield from (_Group(around, texts, tuple(steps)) for steps in ([[each] for each in value] if apart else [value]))
        return
    _check_groups(value, lists, around)
    for number, (entry, inside) in enumerate(zip(value, lists, strict=True), 1):
        said = tuple(entry[name] for name in _TEXTS if isinstance(entry.get(name), str) and entry[name].strip())
        for name, group in inside.items():
            yield from _groups(group, (*around, _name_of(entry, number)), (*texts, *said), name)


def _check_all_taken(value: object, taken: Collection[int], key: str = "") -> None:
    """Nothing that somebody means as a step stands where none is read; `taken`: the identities of the steps."""
    if id(value) in taken:
        return
    if isinstance(value, dict):
        is_step = bool(_INSTRUCTIONS & value.keys()) or (
            bool(_OF_STEPS.search(key) and _ENTRY & value.keys()) and not any(map(is_plan, value.values()))
        )
        if is_step and not any(map(_is_list, value.values())):
            name = _name_of(value, 0) if _NAMED & value.keys() else key
            raise PlanRefused(f"{name!r} is a step outside of the list of steps: put all steps into one list")
        for name, inner in value.items():
            _check_all_taken(inner, taken, str(name))
    elif isinstance(value, list):
        texts = [each for each in value if isinstance(each, str)]
        if texts and _OF_TEXTS.search(key):
            raise PlanRefused(f"{key} holds {len(texts)} texts, such as {texts[0][:80]!r}: a step is an object")
        for each in value:
            _check_all_taken(each, taken, key)
    elif isinstance(value, str) and _is_plan_in_a_text(value):
        raise PlanRefused(f"{key} is a text that holds steps: {value[:80]!r}; put all steps into one list")


def _is_plan_in_a_text(text: str) -> bool:
    """Whether the whole of it is JSON, fenced or not, that somebody means as steps."""
    found = _JSON.fullmatch(text)
    try:
        value = read_relaxed_json(found[1]) if found else None
    except DocumentBroken:
        return False
    return means_steps(value)


def _check_numbers(groups: Sequence[_Group]) -> None:
    """A number in a later group may count the steps of the plan, or those of its group."""
    known = {
        str(step[key]).strip() for group in groups for step in group.steps for key in ("id", "name") if key in step
    }
    for group in groups[1:]:
        for step in group.steps:
            for wanted in needs_of(step):
                number = number_of(wanted)
                if number is not None and number <= len(group.steps) and str(wanted).strip() not in known:
                    raise PlanRefused(
                        f"{_place(group.names)}step {_name_of(step, 0)!r} depends on {number}, which may count the "
                        "steps of its group or all of the plan: name the step"
                    )


def _check_order(entries: Sequence[Entry], around: Chain) -> None:
    """Groups are done in the order in which they stand; what they say of it themselves must be the same."""
    for key in _ORDER:
        numbers = [number for each in entries if (number := number_of(each.get(key))) is not None]
        if numbers != sorted(numbers):
            listed = ", ".join(map(str, numbers[:10]))
            raise PlanRefused(f"{_place(around)}the groups stand in the order {listed} by their {key}: sort them")


def _check_groups(entries: Sequence[Entry], lists: Sequence[Mapping[str, object]], around: Chain) -> None:
    """Every entry is a group, and none waits for a later one."""
    _check_order(entries, around)
    earlier: set[str] = set()
    for number, (entry, inside) in enumerate(zip(entries, lists, strict=True), 1):
        name = _name_of(entry, number)
        if not inside and any(inner == [] for inner in entry.values()) and not _INSTRUCTIONS & entry.keys():
            continue  # a group without steps
        if part := next((field for field in inside if _PART.match(field)), None):
            raise PlanRefused(f"{_place(around)}{name!r} has {part}: each is a step of its own, or belongs to its text")
        if not inside and STEPS in entry:
            raise PlanRefused(f"{_place(around)}{name!r}: steps: {_seen(entry[STEPS])}; a list of objects is needed")
        if not inside:
            raise PlanRefused(f"{_place(around)}{name!r} is a step beside groups of steps: put it into a group")
        if mine := next((field for field in OF_STEPS if field in entry), None):
            raise PlanRefused(f"{_place(around)}{name!r}: {mine}: it belongs to each of the steps")
        if _INSTRUCTIONS & entry.keys():
            raise PlanRefused(f"{_place(around)}{name!r} has a task plan and steps in {_listed(inside)}: it is either")
        if len(inside) > 1:
            raise PlanRefused(f"{_place(around)}{name!r} has more than one list of steps: {_listed(inside)}")
        for field, needed in entry.items():
            if _NEEDS.search(field):
                _check_needs(name, field, needed, earlier)
        earlier |= {name.casefold(), str(number), *(str(entry[key]).casefold() for key in _NAMES if key in entry)}


def _check_needs(name: str, field: str, needed: object, earlier: set[str]) -> None:
    """A group comes after all groups before it in any case; what else it may need can't be had."""
    wanted = needed if isinstance(needed, list) else [] if needed is None else [needed]
    for each in wanted:
        if str(each).strip().casefold() not in earlier:
            raise PlanRefused(f"{name!r}: {field}: {str(each)[:100]!r} is no group before it")


def _the_list_in(value: Entry, around: Chain) -> tuple[str, list[Any]]:
    """The one list of steps or groups of a mapping, which may lie in mappings of its own, and what it is called."""
    found = _lists_in(value) or {name: inner for name, inner in value.items() if is_plan(inner)}
    if len(found) > 1:
        raise PlanRefused(f"{_place(around)}more than one list of steps: {_listed(found)}; put all into one")
    if not found:
        raise PlanRefused(f"{_place(around)}there are no steps")
    ((name, inner),) = found.items()
    beside = [key for key, other in value.items() if key != name and is_plan(other)]
    if beside:
        raise PlanRefused(f"{_place(around)}more than one list of steps: {', '.join([name, *beside])}")
    if needs := next((key for key in value if key != name and _NEEDS.search(key) and value[key] and not around), None):
        raise PlanRefused(f"{needs!r} beside {name!r}: say it in each step's depends_on")
    return _the_list_in(inner, around) if isinstance(inner, dict) else (name, list(inner))


def _lists_in(entry: Entry) -> dict[str, list[Any]]:
    """What may be steps or groups in a mapping: lists of mappings with names or texts of their own."""
    return {
        name: inner
        for name, inner in entry.items()
        if _is_list(inner) and (name == STEPS or any(_ENTRY & each.keys() for each in inner if isinstance(each, dict)))
    }


def _is_list(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _in_phases(groups: Sequence[_Group]) -> Iterator[Entry]:
    """Steps of a later group wait for all of an earlier one; phases that a group has of its own lie within it."""
    phase = 0
    steps = {str(step[key]) for group in groups for step in group.steps for key in ("id", "name") if key in step}
    for at, group in enumerate(groups):
        earlier = {name.casefold() for before in groups[:at] for name in before.names} - set(group.names)
        own = sorted({_own_phase(step, group) for step in group.steps})
        for step in group.steps:
            rest = {name: value for name, value in step.items() if name not in ("order_index", "orderIndex")}
            rest = _without_groups(rest, earlier, steps)
            yield {**_with_texts(rest, group.texts), "order_index": phase + own.index(_own_phase(step, group))}
        phase += len(own)


def _without_groups(step: Entry, earlier: Collection[str], steps: Collection[str]) -> Entry:
    """The step without its dependencies on earlier groups: it comes after all of their steps in any case."""

    def is_group(wanted: object) -> bool:
        return isinstance(wanted, str) and wanted not in steps and wanted.strip().casefold() in earlier

    if not any(map(is_group, needs_of(step))):
        return step
    fields = [field for field in DEPENDS_ON if field in step]
    return {
        **step,
        **{field: [each for each in needs_of({field: step[field]}) if not is_group(each)] for field in fields},
    }


def _with_texts(step: Entry, texts: Chain) -> Entry:
    """Behind what its groups say of all their steps."""
    own = step.get("description") or ""
    if not texts or not isinstance(own, str):
        return step
    return {**step, "description": "\n\n".join([*texts, *filter(None, [own])])}


def _own_phase(step: Entry, group: _Group) -> int:
    given = [step[name] for name in ("order_index", "orderIndex") if name in step]
    if len(given) > 1 or any(type(each) is not int for each in given):
        raise PlanRefused(f"{_place(group.names)}step {str(step.get('name', ''))[:100]!r}: order_index is one number")
    return int(given[0]) if given else 0


def _name_of(entry: Entry, number: int) -> str:
    return next((str(entry[key])[:100] for key in _NAMES if entry.get(key) not in (None, "")), f"group {number}")


def _place(around: Chain) -> str:
    return f"in {' / '.join(around)}: " if around else ""


def _listed(found: Mapping[str, object]) -> str:
    return ", ".join(f"{name} ({len(inner) if isinstance(inner, list) else 'nested'})" for name, inner in found.items())
