"""REST: reviews, comments on lines and answers to them, comments on a pull request as a whole."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field
from starlette.routing import Route

from fakes.forge import talk
from fakes.forge.api_errors import Answered, invalid, not_found
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.github.shapes import Json, Shapes
from fakes.forge.records import RepositoryRecord, Review, ReviewState
from fakes.forge.store import OWN_LOGIN

_PULL = "/repos/{owner}/{repo}/pulls/{number:int}"


class TextBody(BaseModel):
    body: str = Field(min_length=1, max_length=65_536)


class LineCommentBody(TextBody):
    commit_id: str
    path: str
    line: int | None = None
    start_line: int | None = None
    side: str | None = None
    in_reply_to: int | None = None


class DismissBody(BaseModel):
    message: str = Field(min_length=1)


class ReviewEvent(StrEnum):
    APPROVE = "APPROVE"
    REQUEST_CHANGES = "REQUEST_CHANGES"
    COMMENT = "COMMENT"


class ReviewBody(BaseModel):
    event: ReviewEvent = ReviewEvent.COMMENT
    body: str = ""
    comments: tuple[talk.LineRemark, ...] = ()


STATES = {
    ReviewEvent.APPROVE: ReviewState.APPROVED,
    ReviewEvent.REQUEST_CHANGES: ReviewState.CHANGES_REQUESTED,
    ReviewEvent.COMMENT: ReviewState.COMMENTED,
}


def routes(api: Routes) -> list[Route]:
    return [
        api.route(f"{_PULL}/reviews", GET=list_reviews, POST=create_review),
        api.route(f"{_PULL}/reviews/{{review:int}}", GET=get_review),
        api.route(f"{_PULL}/reviews/{{review:int}}/comments", GET=list_comments_of_review),
        api.route(f"{_PULL}/reviews/{{review:int}}/dismissals", PUT=dismiss_review),
        api.route(f"{_PULL}/comments", GET=list_review_comments, POST=create_review_comment),
        api.route(f"{_PULL}/comments/{{comment:int}}/replies", POST=reply),
        api.route(
            "/repos/{owner}/{repo}/pulls/comments/{comment:int}", GET=get_review_comment, PATCH=edit, DELETE=delete
        ),
        api.route("/repos/{owner}/{repo}/issues/comments/{comment:int}", PATCH=edit, DELETE=delete),
        api.route("/repos/{owner}/{repo}/issues/{number:int}/comments", GET=list_comments, POST=create_comment),
    ]


async def list_reviews(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    found, headers = call.page([each for each in repository.record.reviews if each.pull == pull.number])
    return ApiAnswer([Shapes(call.forge.url).review(repository.record, each) for each in found], headers=headers)


async def get_review(call: Call) -> ApiAnswer:
    record, found = await _review(call)
    return ApiAnswer(Shapes(call.forge.url).review(record, found))


async def list_comments_of_review(call: Call) -> ApiAnswer:
    record, review = await _review(call)
    found, headers = call.page([each for each in record.review_comments if each.review == review.id])
    return ApiAnswer([Shapes(call.forge.url).review_comment(record, each) for each in found], headers=headers)


async def _review(call: Call) -> tuple[RepositoryRecord, Review]:
    repository, pull = await call.pull()
    wanted = (pull.number, call.number("review"))
    found = next((each for each in repository.record.reviews if (each.pull, each.id) == wanted), None)
    if found is None:
        raise not_found()
    return repository.record, found


async def create_review(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(ReviewBody)
    state = STATES[wanted.event]
    talk.check_may_judge(pull, call.login, state)
    review = await talk.add_review(repository, pull.number, call.login, state, wanted.body, wanted.comments)
    return ApiAnswer(Shapes(call.forge.url).review(repository.record, review))


async def dismiss_review(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(DismissBody)
    review = await talk.dismiss_review(repository, pull.number, call.number("review"), wanted.message)
    return ApiAnswer(Shapes(call.forge.url).review(repository.record, review))


async def delete(call: Call) -> ApiAnswer:
    """A comment of either kind."""
    await talk.delete_comment(call.repository(), call.number("comment"))
    return ApiAnswer(status=204)


async def edit(call: Call) -> ApiAnswer:
    """A comment of either kind; it stays its author's, whoever edits it."""
    repository, number, wanted = call.repository(), call.number("comment"), await call.body(TextBody)
    await talk.edit_comment(repository, number, wanted.body)
    below = next((each for each in repository.record.comments if each.id == number), None)
    if below is not None:
        return ApiAnswer(Shapes(call.forge.url).comment(repository.record, below))
    return ApiAnswer({"body": wanted.body})


async def list_review_comments(call: Call) -> ApiAnswer:
    repository, pull = await call.pull()
    found, headers = call.page([each for each in repository.record.review_comments if each.pull == pull.number])
    return ApiAnswer(
        [Shapes(call.forge.url).review_comment(repository.record, each) for each in found], headers=headers
    )


async def create_review_comment(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(LineCommentBody)
    if wanted.in_reply_to is None:
        fields = wanted.model_dump(include={"path", "line", "start_line", "side", "body"}, exclude_none=True)
        made = await talk.add_remark(repository, pull.number, call.login, talk.LineRemark(**fields))
    elif any(each.id == wanted.in_reply_to for each in repository.record.review_comments):
        made = await talk.add_reply(repository, pull.number, wanted.in_reply_to, call.login, wanted.body)
    else:
        raise invalid("PullRequestReviewComment", "in_reply_to")
    return _made(Shapes(call.forge.url).review_comment(repository.record, made))


async def get_review_comment(call: Call) -> ApiAnswer:
    repository, number = call.repository(), call.number("comment")
    found = next((each for each in repository.record.review_comments if each.id == number), None)
    if found is None:
        raise not_found()
    return ApiAnswer(Shapes(call.forge.url).review_comment(repository.record, found))


async def reply(call: Call) -> ApiAnswer:
    (repository, pull), wanted = await call.pull(), await call.body(TextBody)
    asked = next((each for each in repository.record.review_comments if each.id == call.number("comment")), None)
    if asked is None or asked.in_reply_to:  # this address is for the first comment of a thread alone (from memory)
        raise not_found()
    made = await talk.add_reply(repository, pull.number, asked.id, call.login, wanted.body)
    return _made(Shapes(call.forge.url).review_comment(repository.record, made))


async def list_comments(call: Call) -> ApiAnswer:
    repository, number = await call.talked_about()
    found, headers = call.page([each for each in repository.record.comments if each.pull == number])
    return ApiAnswer([Shapes(call.forge.url).comment(repository.record, each) for each in found], headers=headers)


async def create_comment(call: Call) -> ApiAnswer:
    (repository, number), wanted = await call.talked_about(), await call.body(TextBody)
    issue = repository.record.issue(number)
    if issue and issue.locked and not repository.record.role(call.login) and call.login != OWN_LOGIN:
        raise Answered(403, "Unable to create comment because issue is locked.")
    made = await talk.add_comment(repository, number, call.login, wanted.body)
    return _made(Shapes(call.forge.url).comment(repository.record, made))


def _made(shape: Json) -> ApiAnswer:
    return ApiAnswer(shape, 201, headers={"Location": shape["url"]})
