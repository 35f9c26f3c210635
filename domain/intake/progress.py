"""What an issue is told of its directive (rule 7.8): one comment, written anew whenever something changes; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from uuid import UUID

from domain.names import short
from domain.pull_requests.body import escaped
from domain.view import DirectiveView, QuestionView

_MARK = re.compile(r"<!-- makima:progress (?P<directive>[0-9a-f]{8}) -->")
MOST_STEPS = 60
MOST_QUESTIONS = 10
QUESTION_SHOWN = 2000
LIMIT = 50_000


def progress_mark(directive: UUID) -> str:
    """A directive's comment is found again by it, and by its author; a reader doesn't see it."""
    return f"<!-- makima:progress {short(directive)} -->"


def marked_by(text: str) -> str:
    """The beginning of the id of the directive that a comment says it is of; empty: of none."""
    found = _MARK.match(text.lstrip())
    return found["directive"] if found else ""


def progress_of(view: DirectiveView, answers: Iterable[str]) -> str:
    """Markdown, in which no text of an agent or a person does anything."""
    parts = [
        progress_mark(view.id),
        f"**Makima** works on this issue as `{short(view.id)}`: **{view.status.value}**{_because(view)}.",
        f"Pull request: {view.pr.url} ({view.pr.state})" if view.pr and view.pr.url else "",
        _steps(view),
        _proposal(view),
        *(_question(each) for each in view.questions[:MOST_QUESTIONS]),
        _answers(answers),
    ]
    return "\n\n".join(part for part in parts if part)[:LIMIT]


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _because(view: DirectiveView) -> str:
    return f" ({escaped(view.reason, 500)})" if view.reason else ""


def _steps(view: DirectiveView) -> str:
    if not view.steps:
        return ""
    shown = [f"| {escaped(each.name, 200)} | {each.status.value} |" for each in view.steps[:MOST_STEPS]]
    more = len(view.steps) - MOST_STEPS
    return "\n".join(["| Step | |", "|---|---|", *shown, *([f"| … {more} more | |"] if more > 0 else [])])


def _proposal(view: DirectiveView) -> str:
    if view.proposal is None:
        return ""
    added = [f"- {escaped(each, 200)}" for each in view.proposal.steps[:MOST_STEPS]]
    removed = [f"- ~~{escaped(each, 200)}~~" for each in view.proposal.removed[:MOST_STEPS]]
    approve = f"/makima approve {view.proposal.name}"
    how = f"Somebody with write access answers with a line `{approve}` or `/makima reject WHY`."
    return "\n".join(["### A plan waits for approval", "", *added, *removed, "", how])


def _question(question: QuestionView) -> str:
    name = short(question.id)
    choices = "".join(f"\n- {escaped(each, 300)}" for each in question.choices)
    return (
        f"### A question\n\n{escaped(question.text, QUESTION_SHOWN)}\n{choices}\n\n"
        f"Somebody with write access answers with a line `/makima answer {name} TEXT`."
    )


def _answers(answers: Iterable[str]) -> str:
    lines = [f"- {escaped(each, 500)}" for each in answers]
    return "\n".join(["### What was asked for here", "", *lines]) if lines else ""
