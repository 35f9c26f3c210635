"""What is wrong with a text from outside, as people say it."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def first_problem(error: ValidationError, whole: str = "") -> str:
    """The first thing that is wrong, as one line: field, colon, reason. `whole` names what has no field, else nothing
    does. No value is in it but what a validator of ours has put into its reason.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or whole
    return f"{where}: {_said(problem)}" if where else _said(problem)


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
