"""What people say about a pull request (rule 7.5): which of it asks for work, and what they think; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from unicodedata import category

from daemon.forges.audience import Admitted, Author
from daemon.forges.findings import MARK, TEXT_LIMIT, title_of
from daemon.forges.plain_text import plain_text
from daemon.forges.quotes import unquoted, without_quotes
from daemon.forges.said import Comment, Review, User
from domain.pull_request import Finding, FindingKind, FindingSource, Place, Unheard

QUOTED_LIMIT = 1500
"""Characters of a diff hunk, at its end: the line that a remark stands at is its last one."""
APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED = "APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"
_OPINIONS = frozenset({APPROVED, CHANGES_REQUESTED, DISMISSED})
"""States of reviews that say yes or no, or that what was said counts no more; remarks are no word."""
_SAID = {CHANGES_REQUESTED: "asks for changes", COMMENTED: "has reviewed", APPROVED: "approves"}
_HIDDEN = re.compile(r"<!--.*?(-->|\Z)", re.DOTALL)
_ASKS = frozenset({CHANGES_REQUESTED, COMMENTED})


@dataclass(frozen=True)
class Remark:
    """Something that somebody has said."""

    author: Author
    finding: Finding
    asks: bool = True
    """It asks for work; an approval doesn't, nor what holds our mark: an earlier account of ours has written that, or
    somebody who copies it."""
    review: int | None = None
    """The review that it is, or belongs to."""


def remarks_in_reviews(reviews: Iterable[Review], me: str) -> list[Remark]:
    """Change requests, remarks and approvals; a change request and an approval count without any text, too."""
    found = []
    for each in reviews:
        words = _has_words(each)
        if each.state not in _SAID or is_by(each.user, me) or not (words or each.state in _OPINIONS):
            continue
        title = f"{name_of(each.user)} {_SAID[each.state]}"
        finding = _comment(FindingSource.REVIEW.id_of(each.id), title, each)
        found.append(
            Remark(_author(each), finding, asks=each.state in _ASKS and words and not _is_marked(each), review=each.id)
        )
    return found


def remarks_at_lines(remarks: Iterable[Comment], me: str) -> list[Remark]:
    """What people have written at lines of the change, answers in a thread among it: each is its own author's."""
    return [
        Remark(
            _author(each),
            _comment(FindingSource.COMMENT.id_of(each.id), f"{name_of(each.user)} on {_where(each)}", each),
            asks=not _is_marked(each),
            review=each.pull_request_review_id,
        )
        for each in remarks
        if _has_words(each) and not is_by(each.user, me)
    ]


def remarks_below(comments: Iterable[Comment], me: str) -> list[Remark]:
    """What people have written below the pull request."""
    return [
        Remark(
            _author(each),
            _comment(FindingSource.TALK.id_of(each.id), f"{name_of(each.user)} has commented", each),
            asks=not _is_marked(each),
        )
        for each in comments
        if _has_words(each) and not is_by(each.user, me)
    ]


def admitted_findings(said: Iterable[Remark], heard: Admitted, over: Collection[int] = ()) -> list[Finding]:
    """What asks for work, of those whose words count, without what they quote of others; `over`: reviews whose author
    asks for it no more."""
    known = tuple(said)
    found = [each.finding for each in known if each.asks and heard.admits(each.author) and each.review not in over]
    return without_quotes(found, (each.finding.text for each in known if not heard.admits(each.author)))


def without_settled(findings: Iterable[Finding], settled: Collection[int]) -> tuple[Finding, ...]:
    """Without the remarks of conversations that somebody has resolved; `settled`: their ids."""
    ended = {FindingSource.COMMENT.id_of(each) for each in settled}
    return tuple(each for each in findings if each.id not in ended)


def settled_remarks(remarks: Iterable[Comment], resolved: Collection[str]) -> frozenset[int]:
    """The ids of all comments in these conversations; the first of one may be an answer to what was deleted."""
    known = tuple(remarks)
    roots = {each.root for each in known if each.html_url in resolved}
    return frozenset(each.id for each in known if each.root in roots)


def said_since(remarks: Iterable[Comment], resolved: Collection[str]) -> frozenset[int]:
    """The ids of what was said in these conversations after our last answer, with which we had resolved them."""
    known = sorted(remarks, key=lambda each: each.id)
    roots = {each.root for each in known if each.html_url in resolved}
    answered = {each.root: each.id for each in known if each.root in roots and _is_marked(each)}
    return frozenset(each.id for each in known if each.root in answered and each.id > answered[each.root])


def reviews_over(reviews: Sequence[Review]) -> frozenset[int]:
    """The reviews that asked for changes, and whose author has approved since or whose word was dismissed: they ask for
    nothing any more, and neither do the remarks that belong to them."""
    over: set[int] = set()
    asking: dict[str, set[int]] = {}
    for each in reviews:
        mine = asking.setdefault(_author(each).key, set())
        if each.state == CHANGES_REQUESTED:
            mine.add(each.id)
        elif each.state in (APPROVED, DISMISSED):
            over |= mine
            mine.clear()
        if each.state == DISMISSED:
            over.add(each.id)
    return frozenset(over)


def unheard_of(said: Iterable[Remark], heard: Admitted) -> list[Unheard]:
    """What doesn't count, and why, without a word of it."""
    return [
        Unheard(id=each.finding.id, author=name_of(each.author.user)[:100], reason=reason.value)
        for each in said
        if (reason := heard.refusal(each.author))
    ]


def is_approved(reviews: Iterable[Review], heard: Admitted, me: str) -> bool:
    """Whether somebody's last word is yes and nobody's is no, of those who are heard; nobody approves of himself."""
    counted = [each for each in reviews if heard.admits(_author(each)) and not is_by(each.user, me)]
    last = {_author(each).key: each.state for each in counted if each.state in _OPINIONS}
    return APPROVED in last.values() and CHANGES_REQUESTED not in last.values()


def authors_of(said: Iterable[Remark]) -> list[Author]:
    return [each.author for each in said]


def name_of(user: User | None) -> str:
    return user.login if user else "somebody"


def _author(said: Review | Comment) -> Author:
    return Author(said.user, said.author_association)


def _has_words(said: Review | Comment) -> bool:
    """Whether a reader sees any: what was edited to nothing may still hold what no page shows."""
    shown = _HIDDEN.sub("", plain_text(said.body or ""))
    return any(not (each.isspace() or category(each) == "Cf") for each in shown)


def _is_marked(said: Review | Comment) -> bool:
    """Whether we have written it, as far as its text says; who quotes us writes something else."""
    return MARK in unquoted(said.body or "")


def is_by(user: User | None, login: str) -> bool:
    """Whether `user` has this login, which is empty where it is not known."""
    return bool(user and login and user.login.lower() == login.lower())


def _comment(key: str, title: str, said: Review | Comment) -> Finding:
    text = plain_text(said.body or "").strip().encode(errors="replace")[:TEXT_LIMIT].decode(errors="ignore")
    return Finding(
        id=key,
        kind=FindingKind.COMMENT,
        title=title_of(title),
        text=text,
        url=said.html_url,
        place=_place(said) if isinstance(said, Comment) and said.path else None,
        said_at=said.said_at,
    )


def _where(comment: Comment) -> str:
    line = comment.line or comment.original_line
    return f"{comment.path}:{line}" if line else comment.path


def _place(comment: Comment) -> Place:
    is_outdated = comment.line is None and comment.original_line is not None
    return Place(
        path=comment.path[:1000],
        line=comment.line or comment.original_line,
        start_line=comment.original_start_line if is_outdated else comment.start_line,
        side=comment.side or "RIGHT",
        start_side=comment.start_side or "",
        quoted=plain_text(comment.diff_hunk)[-QUOTED_LIMIT:],
        outdated=is_outdated,
    )


def newest(said: Sequence[Remark], heard: Admitted, most: int) -> list[Remark]:
    """The last `most` of those who are heard, and of all others; they are listed in the order in which they were said.
    A flood of strangers' words pushes out nobody else's.
    """
    kinds: dict[bool, list[Remark]] = {True: [], False: []}
    for each in said:
        kinds[heard.admits(each.author)].append(each)
    return [each for kind in kinds.values() for each in kind[-most:]]
