"""What people say about a pull request."""

from __future__ import annotations

from fakes.forge.api_errors import Answered, not_found
from fakes.forge.records import Comment, Pull, RepositoryRecord, Review, ReviewComment, ReviewState, now
from fakes.forge.store import Repository
from fakes.forge.stored import Stored


class LineRemark(Stored):
    """A remark on a line of the new version of a file; without a line, on the file."""

    path: str
    line: int | None = None
    start_line: int | None = None
    original_line: int | None = None
    """Of one whose lines have changed since, in place of `line`."""
    original_start_line: int | None = None
    side: str = "RIGHT"
    diff_hunk: str = ""
    body: str


async def add_review(
    repository: Repository, number: int, user: str, state: ReviewState, body: str, remarks: tuple[LineRemark, ...]
) -> Review:
    """Add a review with its remarks."""
    async with repository.changing():
        record = repository.record
        pull = _touched(record, number)
        review = Review(
            id=record.next_id, pull=number, user=user, state=state, body=body, commit_id=pull.head_sha,
            submitted_at=now(),
        )  # fmt: skip
        record = record.with_changes(last_id=record.last_id + 1, reviews=(*record.reviews, review)).with_pull(pull)
        for remark in remarks:
            record = _with_comment(record, pull, user, remark, review.id, None)
        repository.record = record
        return review


def check_may_judge(pull: Pull, user: str, state: ReviewState) -> None:
    """Answered with 422, as GitHub says it (from memory), where somebody approves or refuses what is their own."""
    acts = {ReviewState.APPROVED: "approve", ReviewState.CHANGES_REQUESTED: "request changes on"}
    if state in acts and user.lower() == pull.author.lower():
        raise Answered(422, "Unprocessable Entity", sentences=(f"Can not {acts[state]} your own pull request",))


async def add_remark(repository: Repository, number: int, user: str, remark: LineRemark) -> ReviewComment:
    """Add one remark on a line, without a review around it."""
    async with repository.changing():
        pull = _touched(repository.record, number)
        repository.record = _with_comment(repository.record, pull, user, remark, None, None)
        return repository.record.review_comments[-1]


async def add_reply(repository: Repository, number: int, comment: int, user: str, body: str) -> ReviewComment:
    """Answer a remark on a line; an answer to an answer stands under the first one, which may be gone, as at GitHub."""
    async with repository.changing():
        record = repository.record
        pull = _touched(record, number)
        asked = next((each for each in record.review_comments if (each.pull, each.id) == (number, comment)), None)
        if asked is None:
            raise not_found()
        remark = LineRemark(path=asked.path, line=asked.line, body=body)
        first = asked.in_reply_to or asked.id
        repository.record = _with_comment(record, pull, user, remark, asked.review, first)
        return repository.record.review_comments[-1]


async def dismiss_review(repository: Repository, number: int, review: int, message: str) -> Review:
    """A change request or an approval counts no more; its author stays its author."""
    async with repository.changing():
        record = repository.record
        pull = _touched(record, number)
        asked = next((each for each in record.reviews if (each.pull, each.id) == (number, review)), None)
        if asked is None:
            raise not_found()
        if asked.state not in (ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED):
            raise Answered(422, f"Can not dismiss a review that is {asked.state.value.lower()}: {message}")
        dismissed = asked.model_copy(update={"state": ReviewState.DISMISSED})
        reviews = tuple(dismissed if each.id == review else each for each in record.reviews)
        repository.record = record.with_changes(reviews=reviews).with_pull(pull)
        return dismissed


async def resolve_thread(repository: Repository, comment: int, user: str) -> Pull:
    """The conversation that begins with `comment` is resolved by `user`, or open again where that is empty."""
    async with repository.changing():
        record = repository.record
        asked = next(each for each in record.review_comments if each.id == comment)
        resolved = asked.model_copy(update={"resolved_by": user})
        comments = tuple(resolved if each.id == comment else each for each in record.review_comments)
        pull = _touched(record, asked.pull)
        repository.record = record.with_changes(review_comments=comments).with_pull(pull)
        return pull


async def resolve_talk(repository: Repository, comment: int, user: str) -> None:
    """The same for what begins with a comment below the pull request."""
    async with repository.changing():
        record = repository.record
        comments = tuple(
            each.model_copy(update={"resolved_by": user}) if each.id == comment else each for each in record.comments
        )
        repository.record = record.with_changes(comments=comments)


async def delete_comment(repository: Repository, comment: int) -> None:
    """Take back a comment at a line or below the pull request; answers to it stay."""
    async with repository.changing():
        record = repository.record
        known = {each.id for each in record.review_comments} | {each.id for each in record.comments}
        if comment not in known:
            raise not_found()
        repository.record = record.with_changes(
            review_comments=tuple(each for each in record.review_comments if each.id != comment),
            comments=tuple(each for each in record.comments if each.id != comment),
        )


async def edit_comment(repository: Repository, comment: int, body: str) -> None:
    """Change the text of a comment at a line or below the pull request; its author stays its author."""
    async with repository.changing():
        record, change = repository.record, {"body": body, "updated_at": now()}
        repository.record = record.with_changes(
            review_comments=tuple(
                each.model_copy(update=change) if each.id == comment else each for each in record.review_comments
            ),
            comments=tuple(each.model_copy(update=change) if each.id == comment else each for each in record.comments),
        )


async def add_comment(
    repository: Repository,
    number: int,
    user: str,
    body: str,
    *,
    in_reply_to: int | None = None,
    is_thread: bool = False,
) -> Comment:
    """Add a comment on a pull request as a whole, or on an issue."""
    async with repository.changing():
        record = repository.record
        comment = Comment(
            id=record.next_id, pull=number, user=user, body=body, in_reply_to=in_reply_to, is_thread=is_thread,
            created_at=now(),
        )  # fmt: skip
        changed = record.with_changes(last_id=record.last_id + 1, comments=(*record.comments, comment))
        issue = record.issue(number)
        repository.record = (
            changed.with_issue(issue.model_copy(update={"updated_at": now()}))
            if issue
            else changed.with_pull(_touched(record, number))
        )
        return comment


def _touched(record: RepositoryRecord, number: int) -> Pull:
    pull = record.pull(number)
    if pull is None:
        raise not_found()
    return pull.model_copy(update={"updated_at": now()})


def _with_comment(
    record: RepositoryRecord, pull: Pull, user: str, remark: LineRemark, review: int | None, asked: int | None
) -> RepositoryRecord:
    comment = ReviewComment(
        id=record.next_id, pull=pull.number, review=review, user=user, path=remark.path, line=remark.line,
        start_line=remark.start_line, original_line=remark.original_line,
        original_start_line=remark.original_start_line, side=remark.side, diff_hunk=remark.diff_hunk,
        body=remark.body, commit_id=pull.head_sha, in_reply_to=asked, created_at=now(),
    )  # fmt: skip
    comments = (*record.review_comments, comment)
    return record.with_changes(last_id=record.last_id + 1, review_comments=comments).with_pull(pull)
