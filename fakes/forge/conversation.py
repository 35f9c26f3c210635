"""What was said about a pull request, in the order in which it was said; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fakes.forge.models import Pull, RepositoryRecord


@dataclass(frozen=True)
class Said:
    """One entry of the conversation, with the answers to it."""

    anchor: str
    user: str
    at: datetime
    body: str
    verdict: str = ""
    place: str = ""
    answers: tuple[Said, ...] = ()


def conversation(record: RepositoryRecord, pull: Pull) -> list[Said]:
    """Reviews, remarks on lines with their answers, and comments, in the order in which they were said."""
    lines = [each for each in record.review_comments if each.pull == pull.number]
    reviews = (
        Said(f"pullrequestreview-{each.id}", each.user, each.submitted_at, each.body, each.state.value)
        for each in record.reviews
        if each.pull == pull.number
    )
    comments = (
        Said(f"issuecomment-{each.id}", each.user, each.created_at, each.body)
        for each in record.comments
        if each.pull == pull.number
    )
    remarks = (
        Said(
            f"discussion_r{each.id}",
            each.user,
            each.created_at,
            each.body,
            place=f"{each.path}:{each.line}" if each.line else each.path,
            answers=tuple(
                Said(f"discussion_r{answer.id}", answer.user, answer.created_at, answer.body)
                for answer in lines
                if answer.in_reply_to == each.id
            ),
        )
        for each in lines
        if each.in_reply_to is None
    )
    return sorted((*reviews, *comments, *remarks), key=lambda said: said.at)
