"""The control API's part about issues and what is said below them: what people do there, and who is told of it."""

from __future__ import annotations

from pydantic import Field
from starlette.routing import Route

from fakes.forge import issues, talk
from fakes.forge.calling import ApiAnswer, Call, Routes
from fakes.forge.github.shapes import Shapes
from fakes.forge.hook_bodies import Happened, tell
from fakes.forge.stored import Stored
from fakes.forge.webhooks import Hook

_REPOSITORY = "/_control/repos/{owner:path}/{repo}"


class NewComment(Stored):
    user: str
    body: str = Field(min_length=1)


def routes(api: Routes) -> list[Route]:
    return [
        api.route(f"{_REPOSITORY}/issues", POST=open_issue),
        api.route(f"{_REPOSITORY}/issues/{{number:int}}", PATCH=change_issue),
        api.route(f"{_REPOSITORY}/issues/{{number:int}}/comments", POST=add_comment),
        api.route(f"{_REPOSITORY}/pulls/{{number:int}}/comments", POST=add_comment),
        api.route(f"{_REPOSITORY}/hooks", POST=add_hook),
        api.route("/_control/hooks/answers", GET=list_answers),
    ]


async def open_issue(call: Call) -> ApiAnswer:
    repository, wanted = call.repository(), await call.body(issues.IssueWanted)
    made = await issues.open_issue(repository, wanted)
    tell(call.forge, Happened(repository.record, made, "opened", wanted.user))
    return ApiAnswer(Shapes(call.forge.url).plain_issue(repository.record, made), 201)


async def change_issue(call: Call) -> ApiAnswer:
    repository, change = call.repository(), await call.body(issues.IssueChange)
    changed = await issues.change_issue(repository, call.number("number"), change)
    action = "labeled" if change.label else "unlabeled" if change.unlabel else "edited"
    tell(call.forge, Happened(repository.record, changed, action, change.user))
    return ApiAnswer(Shapes(call.forge.url).plain_issue(repository.record, changed))


async def add_comment(call: Call) -> ApiAnswer:
    (repository, number), wanted = await call.talked_about(), await call.body(NewComment)
    made = await talk.add_comment(repository, number, wanted.user, wanted.body)
    if issue := repository.record.issue(number):
        tell(call.forge, Happened(repository.record, issue, "created", wanted.user, made))
    return ApiAnswer(Shapes(call.forge.url).comment(repository.record, made), 201)


async def add_hook(call: Call) -> ApiAnswer:
    hook = await call.body(Hook)
    call.forge.hooks.of.setdefault(call.repository().record.full_name, []).append(hook)
    return ApiAnswer(status=204)


async def list_answers(call: Call) -> ApiAnswer:
    return ApiAnswer(list(call.forge.hooks.answers))
