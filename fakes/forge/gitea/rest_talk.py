"""Gitea's REST: reviews, the remarks that belong to them, answers, and comments below a pull request."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field
from starlette.routing import Route

from fakes.forge import talk
from fakes.forge.api_errors import Answered, not_found
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.gitea.rest_pulls import PULL
from fakes.forge.gitea.shapes import GiteaShapes
from fakes.forge.records import RepositoryRecord, Review, ReviewComment, ReviewState

_COMMENT = "/repos/{owner}/{repo}/issues/comments/{comment:int}"


class TextBody(BaseModel):
    body: str = Field(min_length=1, max_length=65_536)


class RemarkBody(BaseModel):
    path: str
    body: str
    new_position: int = 0
    old_position: int = 0


class Event(StrEnum):
    APPROVED = "APPROVED"
    REQUEST_CHANGES = "REQUEST_CHANGES"
    COMMENT = "COMMENT"


class ReviewBody(BaseModel):
    event: Event = Event.COMMENT
    body: str = ""
    commit_id: str = ""
    comments: tuple[RemarkBody, ...] = ()


class DismissBody(BaseModel):
    message: str = ""
    priors: bool = False


_STATES = {
    Event.APPROVED: ReviewState.APPROVED,
    Event.REQUEST_CHANGES: ReviewState.CHANGES_REQUESTED,
    Event.COMMENT: ReviewState.COMMENTED,
}


def routes(api: Routes) -> list[Route]:
    comments = "/repos/{owner}/{repo}/pulls/comments/{comment:int}"
    return [
        api.route(f"{PULL}/reviews", GET=list_reviews, POST=create_review),
        api.route(f"{PULL}/reviews/{{review:int}}", GET=get_review),
        api.route(f"{PULL}/reviews/{{review:int}}/comments", GET=list_remarks),
        api.route(f"{PULL}/reviews/{{review:int}}/dismissals", POST=dismiss_review),
        api.route(f"{PULL}/comments/{{comment:int}}/replies", POST=reply),
        api.route(f"{comments}/resolve", POST=resolve),
        api.route(f"{comments}/unresolve", POST=unresolve),
        api.route("/repos/{owner}/{repo}/issues/{number:int}/comments", GET=list_comments, POST=create_comment),
        api.route(_COMMENT, PATCH=edit, DELETE=delete),
    ]


async def list_reviews(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    record = repository.record
    page, headers = call.page(_reviews(record, pull.number))
    return ApiAnswer([_shape(call, record, each) for each in page], headers=headers)


async def get_review(call: Call) -> ApiAnswer:
    record, review = await _review(call)
    return ApiAnswer(_shape(call, record, review))


async def create_review(call: Call) -> ApiAnswer:
    """A remark where there is one already goes into its conversation (from memory)."""
    (repository, pull), wanted = await call.pull(), await call.body(ReviewBody)
    remarks = tuple(
        talk.LineRemark(
            path=each.path,
            line=each.new_position or each.old_position or None,
            side="RIGHT" if each.new_position or not each.old_position else "LEFT",
            body=each.body,
        )
        for each in wanted.comments
    )
    if not (remarks or wanted.body or wanted.event is Event.APPROVED):
        raise Answered(422, "review body is empty")
    review = await talk.add_review(repository, pull.number, call.login, _STATES[wanted.event], wanted.body, remarks)
    return ApiAnswer(_shape(call, repository.record, review))


async def list_remarks(call: Call) -> ApiAnswer:
    """All of them: this list has no pages."""
    record, review = await _review(call)
    shapes = GiteaShapes(call.forge.url)
    return ApiAnswer([shapes.remark(record, each, review.id) for each in _remarks_of(record, review)])


async def dismiss_review(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(DismissBody)
    review = await talk.dismiss_review(repository, pull.number, call.number("review"), wanted.message)
    return ApiAnswer(_shape(call, repository.record, review))


async def reply(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(TextBody)
    made = await talk.add_reply(repository, pull.number, call.number("comment"), call.login, wanted.body)
    shape = GiteaShapes(call.forge.url).remark(repository.record, made, _review_of(repository.record, made))
    return ApiAnswer(shape, 201)


async def resolve(call: Call) -> ApiAnswer:
    return await _set_resolver(call, call.login)


async def unresolve(call: Call) -> ApiAnswer:
    return await _set_resolver(call, "")


async def list_comments(call: Call) -> ApiAnswer:
    """All of them: this list has no pages, whatever the query says."""
    repository, number = await call.talked_about()
    shapes = GiteaShapes(call.forge.url)
    found = [each for each in repository.record.comments if each.pull == number]
    return ApiAnswer([shapes.comment(repository.record, each) for each in found])


async def create_comment(call: Call) -> ApiAnswer:
    (repository, number), wanted = await call.talked_about(), await call.body(TextBody)
    made = await talk.add_comment(repository, number, call.login, wanted.body)
    return ApiAnswer(GiteaShapes(call.forge.url).comment(repository.record, made), 201)


async def edit(call: Call) -> ApiAnswer:
    repository, wanted, number = call.repository(), await call.body(TextBody), call.number("comment")
    await talk.edit_comment(repository, number, wanted.body)
    changed = next((each for each in repository.record.comments if each.id == number), None)
    if changed is None:
        raise not_found()
    return ApiAnswer(GiteaShapes(call.forge.url).comment(repository.record, changed))


async def delete(call: Call) -> ApiAnswer:
    await talk.delete_comment(call.repository(), call.number("comment"))
    return ApiAnswer(status=204)


async def _set_resolver(call: Call, login: str) -> ApiAnswer:
    repository, number = call.repository(), call.number("comment")
    if all(each.id != number for each in repository.record.review_comments):
        raise not_found()
    await talk.resolve_thread(repository, number, login)
    return ApiAnswer(status=204)


async def _review(call: Call) -> tuple[RepositoryRecord, Review]:
    repository, pull = await call.pull()
    number = call.number("review")
    found = next((each for each in _reviews(repository.record, pull.number) if each.id == number), None)
    if found is None:
        raise not_found()
    return repository.record, found


def _reviews(record: RepositoryRecord, number: int) -> list[Review]:
    """With one around each remark that was made alone: here a remark is always part of a review."""
    alone = [each for each in record.review_comments if each.pull == number and each.review is None]
    around = [
        Review(
            id=each.id,
            pull=number,
            user=each.user,
            state=ReviewState.COMMENTED,
            body="",
            commit_id=each.commit_id,
            submitted_at=each.created_at,
        )
        for each in alone
        if each.in_reply_to is None or all(other.id != each.in_reply_to for other in alone)
    ]
    own = [each for each in record.reviews if each.pull == number]
    return sorted((*own, *around), key=lambda each: each.id)


def _review_of(record: RepositoryRecord, remark: ReviewComment) -> int:
    alone = {each.id for each in record.review_comments if each.review is None}
    around = remark.in_reply_to if remark.in_reply_to in alone else remark.id
    return remark.review or around or remark.id


def _remarks_of(record: RepositoryRecord, review: Review) -> list[ReviewComment]:
    mine = [each for each in record.review_comments if each.pull == review.pull]
    return [each for each in mine if _review_of(record, each) == review.id]


def _shape(call: Call, record: RepositoryRecord, review: Review) -> object:
    return GiteaShapes(call.forge.url).review(record, review, len(_remarks_of(record, review)))
