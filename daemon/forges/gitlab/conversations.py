"""GitLab's discussions, approvals and reviewers in the words that all forges are told in (rule 7.5); pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from daemon.forges.gitlab.payloads import Approvals, Discussion, GitLabPull, LineEnd, Note, Position, Reviewer
from daemon.forges.remarks import APPROVED, CHANGES_REQUESTED
from daemon.forges.said import Comment, Review

_WANTS_CHANGES = "requested_changes"


@dataclass(frozen=True)
class Conversations:
    """What stands below a merge request, GitLab's own notes left out."""

    talk: list[Comment] = field(default_factory=list)
    """What nobody can resolve."""
    threads: list[Comment] = field(default_factory=list)
    """What somebody can: at lines, or of the merge request as a whole."""
    resolved: Mapping[str, str] = field(default_factory=dict)
    """The address of a resolved thread's first note → the login of who has done it; empty: an account that is gone."""


def conversations_of(pull: GitLabPull, discussions: Iterable[Discussion]) -> Conversations:
    talk: list[Comment] = []
    threads: list[Comment] = []
    resolved: dict[str, str] = {}
    for discussion in discussions:
        notes = [each for each in discussion.notes if not each.system]
        first = next(iter(notes), None)
        if first is None:
            continue
        is_thread = any(each.resolvable for each in notes)
        (threads if is_thread else talk).extend(_comment(pull, each, first) for each in notes)
        open_ones = [each for each in notes if each.resolvable and not each.resolved]
        if is_thread and not open_ones:
            by = next((each.resolved_by for each in reversed(notes) if each.resolved_by), None)
            resolved[_address(pull, first)] = by.user.login if by and by.user else ""
    return Conversations(_in_order(talk), _in_order(threads), resolved)


def reviews_of(approvals: Approvals, reviewers: Iterable[Reviewer]) -> list[Review]:
    """Who says yes, as far as that is enough for the rules, and who says no; nothing here has words."""
    yes = APPROVED if approvals.approved else ""
    given = [Review(id=each.user.id, user=each.user.user, state=yes) for each in approvals.approved_by]
    wanted = (each for each in reviewers if each.state == _WANTS_CHANGES)
    return [*given, *(Review(id=each.user.id, user=each.user.user, state=CHANGES_REQUESTED) for each in wanted)]


def _in_order(comments: list[Comment]) -> list[Comment]:
    """A discussion stands where it began, and may go on after later ones."""
    return sorted(comments, key=lambda each: each.id)


def _comment(pull: GitLabPull, note: Note, first: Note) -> Comment:
    place = note.position or first.position
    return Comment(
        id=note.id,
        user=note.author.user if note.author else None,
        body=note.body,
        html_url=_address(pull, note),
        in_reply_to_id=first.id if first.id != note.id else None,
        created_at=note.created_at,
        **(_place(pull, place) if place else {}),
    )


def _place(pull: GitLabPull, at: Position) -> dict[str, object]:
    line, start = at.new_line or at.old_line, _first_line(at)
    start = start if start != line else None
    # A note follows its lines to newer commits, and stays behind where they have changed (from memory).
    is_outdated = bool(at.head_sha and pull.reviewed and at.head_sha != pull.reviewed)
    side = "RIGHT" if at.new_line else "LEFT" if at.old_line else None
    return {
        "path": at.new_path or at.old_path or "",
        "side": side,
        "start_side": _side_of(at.line_range.start) if start and at.line_range else None,
        "line": None if is_outdated else line,
        "start_line": None if is_outdated else start,
        "original_line": line,
        "original_start_line": start,
    }


def _first_line(at: Position) -> int | None:
    return (at.line_range.start.new_line or at.line_range.start.old_line) if at.line_range else None


def _side_of(end: LineEnd) -> str:
    return "RIGHT" if end.new_line else "LEFT"


def _address(pull: GitLabPull, note: Note) -> str:
    return f"{pull.html_url}#note_{note.id}"
