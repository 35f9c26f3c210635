"""What is wrong with a text from outside, as people say it."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def first_problem(error: ValidationError, whole: str = "") -> str:
    """The first thing that is wrong, as one line: field, colon, reason. `whole` names what has no field, else nothing
    does. No value is in it but what a validator of ours has put into its reason.
    """
    problem, place = closest(error)
    where = ".".join(map(str, place)) or whole
    return f"{where}: {_said(problem)}" if where else _said(problem)


def closest(error: ValidationError) -> tuple[ErrorDetails, tuple[int | str, ...]]:
    """The first problem, and its field. Where that may be of several types, such as a name or a table, the type that
    was meant is the one of which more was read; the types' own names are no fields.
    """
    problems = error.errors(include_url=False, include_input=False)
    first, place = problems[0], problems[0]["loc"]
    if not place or not _is_type(place[-1]):
        return first, place
    field = place[:-1]
    deeper = (each for each in problems if each["loc"][: len(field)] == field and len(each["loc"]) > len(place))
    meant = next(deeper, first)
    return meant, (*field, *meant["loc"][len(place) :])


def _is_type(part: int | str) -> bool:
    return isinstance(part, str) and (part in ("bool", "float", "int", "str") or part.startswith("literal["))


def _said(problem: ErrorDetails) -> str:
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "string_too_short" if limits["min_length"] == 1:
            return "it may not be empty"
        case "string_too_short":
            return f"at least {limits['min_length']} characters are needed"
        case "string_too_long":
            return f"at most {limits['max_length']} characters are taken"
        case "string_pattern_mismatch" if "https?" in limits["pattern"]:
            return "an address that begins with http:// or https:// is needed"
        case _:
            return problem["msg"]
