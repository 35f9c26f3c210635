"""GitLab's REST: notes, discussions, approvals and reviewers of a merge request."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.routing import Route

from fakes.forge import talk
from fakes.forge.calling import ApiAnswer, Routes
from fakes.forge.gitlab.calling import GitLabCall, Said, route
from fakes.forge.gitlab.merge_requests import REQUEST
from fakes.forge.gitlab.shapes_talk import Note, TalkShapes, discussion_id, discussions_of, notes_of
from fakes.forge.records import Pull, ReviewState
from fakes.forge.store import Repository

_DISCUSSIONS = f"{REQUEST}/discussions"


class NoteBody(BaseModel):
    body: str = Field(min_length=1)


class PositionBody(BaseModel):
    base_sha: str
    start_sha: str
    head_sha: str
    position_type: str
    old_path: str | None = None
    new_path: str | None = None
    old_line: int | None = None
    new_line: int | None = None


class DiscussionBody(NoteBody):
    position: PositionBody | None = None


class ResolvedBody(BaseModel):
    resolved: bool


def routes(api: Routes) -> list[Route]:
    return [
        route(api, f"{REQUEST}/notes", GET=list_notes, POST=add_note),
        route(api, f"{REQUEST}/notes/{{note:int}}", PUT=edit_note, DELETE=delete_note),
        route(api, _DISCUSSIONS, GET=list_discussions, POST=add_discussion),
        route(api, f"{_DISCUSSIONS}/{{discussion}}", GET=get_discussion, PUT=resolve),
        route(api, f"{_DISCUSSIONS}/{{discussion}}/notes", POST=reply),
        route(api, f"{REQUEST}/approvals", GET=get_approvals),
        route(api, f"{REQUEST}/approve", POST=approve),
        route(api, f"{REQUEST}/unapprove", POST=unapprove),
        route(api, f"{REQUEST}/reviewers", GET=list_reviewers),
    ]


async def list_notes(call: GitLabCall) -> ApiAnswer:
    repository, pull = await call.pull()
    found = notes_of(repository.record, pull)
    if call.query("sort", "desc") == "desc":
        found.reverse()
    shapes = TalkShapes(call.forge.url)
    return call.listed([shapes.note(repository.record, pull, each) for each in found])


async def add_note(call: GitLabCall) -> ApiAnswer:
    (repository, pull), body = await call.pull(), await call.body(NoteBody)
    made = await talk.add_comment(repository, pull.number, call.login, body.body)
    return _shown(call, repository, pull, made.id)


async def edit_note(call: GitLabCall) -> ApiAnswer:
    (repository, pull), body = await call.pull(), await call.body(NoteBody)
    await talk.edit_comment(repository, _known(repository, pull, call.number("note")).id, body.body)
    return ApiAnswer(_shown(call, repository, pull, call.number("note")).json)


async def delete_note(call: GitLabCall) -> ApiAnswer:
    repository, pull = await call.pull()
    await talk.delete_comment(repository, _known(repository, pull, call.number("note")).id)
    return ApiAnswer(status=204)


async def list_discussions(call: GitLabCall) -> ApiAnswer:
    repository, pull = await call.pull()
    shapes = TalkShapes(call.forge.url)
    found = discussions_of(notes_of(repository.record, pull))
    return call.listed([shapes.discussion(repository.record, pull, each) for each in found])


async def get_discussion(call: GitLabCall) -> ApiAnswer:
    repository, pull = await call.pull()
    return ApiAnswer(_discussion(call, repository, pull))


async def add_discussion(call: GitLabCall) -> ApiAnswer:
    """At a line, or of the merge request as a whole; somebody may resolve either."""
    (repository, pull), body = await call.pull(), await call.body(DiscussionBody)
    if body.position is None:
        made = (await talk.add_comment(repository, pull.number, call.login, body.body, is_thread=True)).id
    else:
        at = body.position
        side = "RIGHT" if at.new_line else "LEFT"
        path, line = at.new_path or at.old_path, at.new_line or at.old_line
        if path is None:
            raise Said(400, "position is invalid", field="error")
        remark = talk.LineRemark(path=path, line=line, side=side, body=body.body)
        made = (await talk.add_remark(repository, pull.number, call.login, remark)).id
    return ApiAnswer(_discussion(call, repository, pull, discussion_id(made)), 201)


async def resolve(call: GitLabCall) -> ApiAnswer:
    (repository, pull), body = await call.pull(), await call.body(ResolvedBody)
    first = _notes(call, repository, pull)[0]
    if not first.is_thread:
        raise Said(400, "400 Bad request - discussion is not resolvable")
    settle = talk.resolve_thread if first.line else talk.resolve_talk
    await settle(repository, first.root, call.login if body.resolved else "")
    return ApiAnswer(_discussion(call, repository, pull))


async def reply(call: GitLabCall) -> ApiAnswer:
    (repository, pull), body = await call.pull(), await call.body(NoteBody)
    first = _notes(call, repository, pull)[0]
    if first.is_system:
        raise Said(400, "Discussion can not be replied to.")
    if first.line:
        made = (await talk.add_reply(repository, pull.number, first.root, call.login, body.body)).id
    else:
        made = (await talk.add_comment(repository, pull.number, call.login, body.body, in_reply_to=first.root)).id
    return _shown(call, repository, pull, made)


async def get_approvals(call: GitLabCall) -> ApiAnswer:
    repository, pull = await call.pull()
    login = call.account.login if call.account else ""
    return ApiAnswer(TalkShapes(call.forge.url).approvals(repository.record, pull, login))


async def approve(call: GitLabCall) -> ApiAnswer:
    repository, pull = await call.pull()
    await talk.add_review(repository, pull.number, call.login, ReviewState.APPROVED, "", ())
    return ApiAnswer(TalkShapes(call.forge.url).approvals(repository.record, pull, call.login), 201)


async def unapprove(call: GitLabCall) -> ApiAnswer:
    repository, pull = await call.pull()
    await talk.add_review(repository, pull.number, call.login, ReviewState.DISMISSED, "", ())
    return ApiAnswer({}, 201)


async def list_reviewers(call: GitLabCall) -> ApiAnswer:
    repository, pull = await call.pull()
    return ApiAnswer(TalkShapes(call.forge.url).reviewers(repository.record, pull))


def _shown(call: GitLabCall, repository: Repository, pull: Pull, number: int) -> ApiAnswer:
    shapes = TalkShapes(call.forge.url)
    return ApiAnswer(shapes.note(repository.record, pull, _known(repository, pull, number)), 201)


def _known(repository: Repository, pull: Pull, number: int) -> Note:
    found = next((each for each in notes_of(repository.record, pull) if each.id == number), None)
    if found is None:
        raise Said(404, "404 Note Not Found")
    return found


def _notes(call: GitLabCall, repository: Repository, pull: Pull, wanted: str = "") -> list[Note]:
    asked = wanted or call.part("discussion")
    for notes in discussions_of(notes_of(repository.record, pull)):
        if discussion_id(notes[0].root) == asked:
            return notes
    raise Said(404, "404 Discussion Not Found")


def _discussion(call: GitLabCall, repository: Repository, pull: Pull, wanted: str = "") -> dict[str, object]:
    notes = _notes(call, repository, pull, wanted)
    return TalkShapes(call.forge.url).discussion(repository.record, pull, notes)
