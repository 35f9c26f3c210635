"""`answers`: the server behind the links of notices (docs/notices.md). GET shows, POST answers; who has a link may."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs
from uuid import NAMESPACE_OID, uuid5

import typer

from cli.operator import answer_pages as pages
from cli.operator.command_group import Commands
from cli.operator.http_serving import address, listen, serve, shown
from cli.operator.printing import print_lines
from domain.answer_links import AnswerLink, ForgedLink, OldLink, read
from domain.errors import NotReachable, RecordError, Refused, SettingsError
from domain.models import State
from domain.requests import NO_PLAN, AnswerQuestion, Approve, Reject, Request

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request as Asked
    from starlette.responses import Response

    from steering.client import Client

# The web framework is an extra, and imported by this command alone.

LONGEST_BODY = 64 * 1024
"""Bytes."""
BODY_WITHIN = 15.0
"""Seconds for all of it."""
NO_LINKS = "makima: MAKIMA_ANSWER_URL is not set here; where the worker hasn't it either, no notice has a link to this"
_FORM = "application/x-www-form-urlencoded"


class AnswersCommand(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command()(self.answers)

    def answers(
        self,
        listen_at: Annotated[
            str, typer.Option("--listen", metavar="HOST:PORT", help="Where your proxy, which has the TLS, finds it.")
        ] = "127.0.0.1:8766",
    ) -> None:
        """Serve the pages that the links in notices lead to, where a question is answered or a plan approved.

        Example: starter.py answers --listen 127.0.0.1:8766
        """
        self.run(self._answers(listen_at))

    async def _answers(self, listen_at: str) -> int:
        try:
            import starlette  # noqa: F401, PLC0415
            import uvicorn  # noqa: F401, PLC0415
        except ImportError as error:
            raise SettingsError("the web framework is missing: install makima-directives[notices]") from error
        key = self.connections.answer_key()
        if not self.connections.answer_url:
            # The worker, which makes the links, may run elsewhere, with other settings.
            print_lines([NO_LINKS], err=True)
        listening = listen(*address("--listen", listen_at))
        print_lines([shown(listening)])
        await serve(AnswerPages(self.client, key).app(), listening, bounded=True)
        return 0


@dataclass(frozen=True)
class HtmlPage:
    status: int
    html: str


class AnswerPages:
    def __init__(self, client: Client, key: bytes) -> None:
        self._client = client
        self._key = key

    def app(self) -> Starlette:
        """Whatever path a proxy puts before it, the link is the last part of one."""
        from starlette.applications import Starlette  # noqa: PLC0415
        from starlette.routing import Route  # noqa: PLC0415

        return Starlette(routes=[Route("/{token:path}", self._respond, methods=["GET", "POST"])])

    async def _respond(self, asked: Asked) -> Response:
        from starlette.responses import HTMLResponse, PlainTextResponse  # noqa: PLC0415

        token = str(asked.path_params["token"]).rpartition("/")[2]
        try:
            link = read(token, self._key, self._client.connections.owner, datetime.now(UTC))
        except OldLink:
            return PlainTextResponse("gone\n", 410, pages.HEADERS)
        except ForgedLink:
            return PlainTextResponse("not found\n", 404, pages.HEADERS)
        page = await self._page(link, asked)
        return HTMLResponse(page.html, page.status, pages.HEADERS)

    async def _page(self, link: AnswerLink, asked: Asked) -> HtmlPage:
        try:
            form = await _form(asked) if asked.method == "POST" else None
            async with self._client.recorded() as directives:
                state = await directives.state(str(link.directive))
            if form is None:
                return _shown(link, state)
            return await self._answered(link, state, form)
        except Refused as refused:
            return HtmlPage(409, pages.told_page("", "That was not possible", [str(refused)]))
        except (NotReachable, RecordError):
            return HtmlPage(503, pages.told_page("", "Not reachable at the moment: nothing was lost, try again later"))

    async def _answered(self, link: AnswerLink, state: State, form: dict[str, str]) -> HtmlPage:
        """Once: the same answer again, from a double click or after a lost connection, has no second effect."""
        title, actor = state.directive.text.title, f"{link.channel} (link of a notice)"
        request = _wanted(link, state, form, actor)
        said = request.model_dump_json()
        name = str(uuid5(NAMESPACE_OID, f"makima answer {link.directive} {link.question or link.plan} {said}"))
        await self._client.ask(str(link.directive), lambda: request, name)
        return HtmlPage(200, pages.told_page(title, "Done", [_told(request)]))


def _shown(link: AnswerLink, state: State) -> HtmlPage:
    title = state.directive.text.title
    if state.status.is_final:
        return HtmlPage(200, pages.told_page(title, f"This directive is {state.status.value}"))
    if link.question:
        question = state.questions.get(link.question)
        if question is None:
            return HtmlPage(200, pages.told_page(title, "This question is not asked any more"))
        if question.answer is not None:
            told = [question.text, question.answer, f"by {question.answered_by}"]
            return HtmlPage(200, pages.told_page(title, "This question was answered", told))
        return HtmlPage(200, pages.question_page(title, question))
    if state.proposal is None or state.proposal.identity != link.plan:
        return HtmlPage(200, pages.told_page(title, "This plan does not wait for approval any more"))
    return HtmlPage(200, pages.plan_page(title, state.proposal))


def _wanted(link: AnswerLink, state: State, form: dict[str, str], actor: str) -> Request:
    """Refused, or ValidationError, as at the command line."""
    from steering.client import made  # noqa: PLC0415 - with Temporal's client

    if link.question:
        question, answer = str(link.question), form.get("answer", "").replace("\r\n", "\n").strip()
        if form.get("choice", "").isdecimal() and (known := state.questions.get(link.question)):
            answer = next(iter(known.choices[int(form["choice"][:4]) :][:1]), "")
        if not answer:
            raise Refused("the answer is empty")
        return made(lambda: AnswerQuestion(question=question, answer=answer, actor=actor))
    plan = link.plan.hex[:8] if link.plan else NO_PLAN
    if form.get("decide") == "approve":
        return made(lambda: Approve(plan=plan, actor=actor))
    if form.get("decide") == "reject":
        comment = form.get("comment", "").replace("\r\n", "\n").strip()
        return made(lambda: Reject(plan=plan, comment=comment, actor=actor))
    raise Refused("say whether the plan is approved or sent back")


def _told(request: Request) -> str:
    match request:
        case AnswerQuestion():
            return request.answer
        case Reject():
            return f"sent back: {request.comment}"
        case _:
            return "approved"


async def _form(asked: Asked) -> dict[str, str]:
    if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Refused("a form is needed")
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for piece in asked.stream():
                body += piece
                if len(body) > LONGEST_BODY:
                    raise Refused(f"at most {LONGEST_BODY // 1024} KiB are taken")
        read_as = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10, errors="strict")
    except TimeoutError:
        raise Refused(f"it did not arrive within {BODY_WITHIN:g} s") from None
    except ValueError:
        raise Refused("this is no form") from None
    return {name: values[0] for name, values in read_as.items()}
