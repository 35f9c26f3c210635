"""What GitLab shows of what people say: notes, in discussions; and of who has approved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fakes.forge.gitlab.shapes import Json, Shapes, moment
from fakes.forge.gitlab.shapes_requests import last_words
from fakes.forge.merge_records import TURN_NUMBERS, MergeTurn, Turned
from fakes.forge.records import Comment, Pull, RepositoryRecord, Review, ReviewComment, ReviewState

_REVIEWERS = {
    ReviewState.APPROVED: "approved",
    ReviewState.CHANGES_REQUESTED: "requested_changes",
    ReviewState.COMMENTED: "reviewed",
    ReviewState.DISMISSED: "unapproved",
}
_BY_THE_FORGE = 500_000
"""Added to the id of a review whose forge tells of it in a note of its own."""


_TURNS = {
    Turned.ON: "enabled an automatic merge when all merge checks pass",
    Turned.OFF: "canceled the automatic merge",
    Turned.DROPPED: "aborted the automatic merge because source branch was updated",
}


@dataclass(frozen=True)
class Note:
    """Whatever stands in a discussion."""

    id: int
    user: str
    body: str
    at: datetime
    changed_at: datetime
    root: int
    is_thread: bool = False
    resolved_by: str = ""
    is_system: bool = False
    line: ReviewComment | None = None


def notes_of(record: RepositoryRecord, pull: Pull) -> list[Note]:
    """All of a merge request, oldest first."""
    found = [_talk(record, each) for each in record.comments if each.pull == pull.number]
    found += [_remark(record, each) for each in record.review_comments if each.pull == pull.number]
    for review in record.reviews:
        if review.pull == pull.number:
            found += _reviewed(review)
    found += [_turned(pull, place, each) for place, each in enumerate(pull.turns)]
    return sorted(found, key=lambda each: (each.at, each.id))


def _turned(pull: Pull, place: int, turn: MergeTurn) -> Note:
    """What GitLab itself tells of merging by itself (its words from memory)."""
    number = pull.id + TURN_NUMBERS + place
    return Note(number, turn.user, _TURNS[turn.what], turn.at, turn.at, number, is_system=True)


def discussions_of(notes: Iterable[Note]) -> list[list[Note]]:
    """The notes by the discussion that they stand in."""
    found: dict[int, list[Note]] = {}
    for each in notes:
        found.setdefault(each.root, []).append(each)
    return list(found.values())


def discussion_id(root: int) -> str:
    return hashlib.sha1(f"discussion:{root}".encode(), usedforsecurity=False).hexdigest()


class TalkShapes(Shapes):
    """Those of one forge."""

    def note(self, record: RepositoryRecord, pull: Pull, note: Note) -> Json:
        resolvable = note.is_thread and not note.is_system
        shown: Json = {
            "id": note.id,
            "type": "DiffNote" if note.line else "DiscussionNote" if note.is_thread else None,
            "body": note.body,
            "author": self.user(note.user),
            "created_at": moment(note.at),
            "updated_at": moment(note.changed_at),
            "system": note.is_system,
            "noteable_id": pull.id,
            "noteable_type": "MergeRequest",
            "project_id": record.id,
            "resolvable": resolvable,
            "confidential": False,
            "internal": False,
            "imported": False,
            "imported_from": "none",
            "noteable_iid": pull.number,
            "commands_changes": {},
        }
        if resolvable:
            by = self.user(note.resolved_by) if note.resolved_by else None
            shown |= {
                "resolved": by is not None,
                "resolved_by": by,
                "resolved_at": moment(note.changed_at) if by else None,
            }
        if note.line:
            shown |= {"commit_id": None, "position": position(pull, note.line), "suggestions": []}
        return shown

    def discussion(self, record: RepositoryRecord, pull: Pull, notes: list[Note]) -> Json:
        first = notes[0]
        return {
            "id": discussion_id(first.root),
            "individual_note": not first.is_thread,
            "notes": [self.note(record, pull, each) for each in notes],
        }

    def approvals(self, record: RepositoryRecord, pull: Pull, caller: str) -> Json:
        """As the free edition has it, where one approval is enough; `needed` of a paid one are asked for by rules."""
        given = [login for login, word in last_words(record, pull).items() if word is ReviewState.APPROVED]
        needed = record.approvals_required
        rules = {"approvals_required": needed, "approvals_left": max(needed - len(given), 0)} if needed else {}
        return {
            "user_has_approved": caller in given,
            "user_can_approve": caller not in (*given, pull.author),
            "approved": len(given) >= max(needed, 1),
            "approved_by": [{"user": self.user(each), "approved_at": moment(pull.updated_at)} for each in given],
            **rules,
        }

    def reviewers(self, record: RepositoryRecord, pull: Pull) -> list[Json]:
        return [
            {"user": self.user(login), "state": _REVIEWERS[word], "created_at": moment(pull.created_at)}
            for login, word in last_words(record, pull).items()
        ]


def position(pull: Pull, comment: ReviewComment) -> Json:
    """Where a note stands; the head that it names is the newest one as long as its lines have not changed."""
    is_outdated = comment.line is None and comment.original_line is not None
    line = comment.line or comment.original_line
    start = comment.original_start_line if is_outdated else comment.start_line
    head = pull.head_sha if not is_outdated else comment.commit_id
    side = "new" if comment.side == "RIGHT" else "old"

    def at(number: int | None) -> Json:
        return {"old_line": None, "new_line": None, f"{side}_line": number}

    lines = {"start": _end(comment.path, side, at(start)), "end": _end(comment.path, side, at(line))} if start else None
    return {
        "base_sha": pull.base_sha,
        "start_sha": pull.base_sha,
        "head_sha": head if head != pull.head_sha or not is_outdated else pull.base_sha,
        "old_path": comment.path,
        "new_path": comment.path,
        "position_type": "text" if line else "file",
        **(at(line) | {"line_range": lines} if line else {}),
    }


def _end(path: str, side: str, lines: Json) -> Json:
    digest = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
    return {"line_code": f"{digest}_{lines['old_line'] or 0}_{lines['new_line'] or 0}", "type": side, **lines}


def _talk(record: RepositoryRecord, comment: Comment) -> Note:
    root = comment.in_reply_to or comment.id
    first = next((each for each in record.comments if each.id == root), comment)
    is_thread = first.is_thread or any(each.in_reply_to == root for each in record.comments)
    changed = comment.updated_at or comment.created_at
    return Note(comment.id, comment.user, comment.body, comment.created_at, changed, root, is_thread, first.resolved_by)


def _remark(record: RepositoryRecord, comment: ReviewComment) -> Note:
    root = comment.in_reply_to or comment.id
    first = next((each for each in record.review_comments if each.id == root), comment)
    return Note(
        comment.id, comment.user, comment.body, comment.created_at, comment.updated_at or comment.created_at, root,
        is_thread=True, resolved_by=first.resolved_by, line=comment,
    )  # fmt: skip


def _reviewed(review: Review) -> list[Note]:
    """What was written with it, and what GitLab itself tells of an approval."""
    at = review.submitted_at
    said = Note(review.id, review.user, review.body, at, at, review.id)
    told = {ReviewState.APPROVED: "approved this merge request", ReviewState.CHANGES_REQUESTED: "requested changes"}
    number = review.id + _BY_THE_FORGE
    by_forge = Note(number, review.user, told.get(review.state, ""), at + timedelta(microseconds=1), at, number)
    return [*([said] if review.body else []), *([replace(by_forge, is_system=True)] if by_forge.body else [])]
