"""What is wrong with an argument, as people say it."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, as one line that names the field."""
    problem = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {_said(problem)}"


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
