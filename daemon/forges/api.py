"""Calls of a forge's API for one host: patient, checked, and silent about the token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TypeVar

import httpx
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from daemon.forges.connections import Bearer
from daemon.forges.pace import Paces
from daemon.forges.refusals import LIMITED, Declined, Later, LogUnreachable, later
from daemon.forges.tokens import Tokens
from domain.errors import ForgeRefused, ForgeUnreachable
from domain.problems import first_problem
from domain.repository_url import is_loopback

Model = TypeVar("Model", bound=BaseModel)
Found = TypeVar("Found")

MOST_REDIRECTS = 3
EXISTS = "already exists"
GIVEN_UP_FOR = timedelta(minutes=1)
"""After all tries have failed and the forge has named no time."""


@dataclass(frozen=True)
class ApiTimings:
    """How long one call goes on trying before its caller hears of it; seconds."""

    at_most: float = 120.0
    first: float = 1.0
    longest: float = 30.0
    answer: float = 30.0
    """For one answer."""
    mergeable: float = 2.0
    """Before asking again whether it can be merged, which a forge works out when it is asked."""
    write: float = 1.0
    """Between two changes: GitHub takes what comes faster for abuse."""
    permission: float = 300.0
    """For which what the forge says of a person's permission is believed."""


@dataclass(frozen=True)
class Page:
    """One answer of a GET, as it came."""

    content: bytes
    etag: str
    following: str
    """The address of the next page; empty: this is the last one."""


@dataclass(frozen=True)
class Manners:
    """What distinguishes one kind of forge's API from another's."""

    name: str
    """Of the kind, as a person knows it."""
    refusal: Callable[[httpx.Response, str, str, str], Declined | None]
    """(answer, host, call, place of the token) → whether, and why, it says no."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each request."""
    token: tuple[str, str] = ("Authorization", "Bearer ")
    """The header that the token is sent in, and what stands before it there."""


class Api:
    """Every call raises ForgeUnreachable or ForgeRefused; the latter as Declined, for a caller that knows better."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        tokens: Tokens,
        timings: ApiTimings,
        manners: Manners,
        paces: Paces,
    ) -> None:
        """`url` is the REST API's, without a `/` at its end; `paces` are those of all that use the `client`."""
        self._client = client
        self._url = httpx.URL(url)
        self._manners = manners
        self.tokens = tokens
        self.host = tokens.host
        self.timings = timings
        self.redirects = 0
        """How often the forge has sent us on for good: a repository has another name than before."""
        self._paces = paces
        self._backoff = wait_exponential(timings.first, timings.longest) + wait_random(0, timings.first)

    async def get(self, path: str, etag: str = "") -> Page | None:
        """The answer; None where it is still the one that `etag` names. `path` may be a page's `following`."""
        headers = {"If-None-Match": etag} if etag else {}
        answer = await self.retried(lambda: self.send("GET", self.at(path), headers=headers))
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            return None
        return Page(answer.content, answer.headers.get("etag", ""), answer.links.get("next", {}).get("url", ""))

    async def read(self, path: str, model: type[Model]) -> Model:
        """The answer of a GET as a `model`."""
        answer = await self.retried(lambda: self.send("GET", self.at(path)))
        return self.parsed(TypeAdapter(model), answer.content)

    async def patch(self, path: str, body: BaseModel, model: type[Model]) -> Model:
        """The answer of a PATCH, which does the same however often it is sent."""
        answer = await self.retried(lambda: self.send("PATCH", self.at(path), body))
        return self.parsed(TypeAdapter(model), answer.content)

    async def post(self, path: str, body: BaseModel, adapter: TypeAdapter[Found]) -> Found:
        """The answer of a POST that does the same however often it is sent."""
        answer = await self.retried(lambda: self.send("POST", self.at(path), body))
        return self.parsed(adapter, answer.content)

    async def post_once(
        self, path: str, body: BaseModel, model: type[Model], done: Callable[[], Awaitable[Model | None]]
    ) -> Model:
        """What `done` finds, else the answer of a POST. `done` is asked again before each try: an answer that didn't
        come may belong to a call that has acted, and what "already exists" was made by somebody else meanwhile.
        """

        async def look_and_post() -> Model:
            if found := await done():
                return found
            try:
                answer = await self.send("POST", self.at(path), body)
            except Declined as declined:
                if EXISTS in declined.complaint.lower():
                    raise Later(str(declined)) from declined
                raise
            return self.parsed(TypeAdapter(model), answer.content)

        return await self.retried(look_and_post)

    async def tail(self, path: str, limit: int) -> bytes:
        """The last `limit` bytes of a file. It may lie at another host; that one gets no token, and is asked once:
        LogUnreachable where it doesn't answer, for nothing else lies there.
        """

        async def follow() -> bytes:
            answer = await self.send("GET", self.at(path), may_leave=True)
            if not answer.has_redirect_location:
                return answer.content[-limit:]
            return await self._stream(answer.url.join(answer.headers["location"]), limit)

        return await self.retried(follow)

    def parsed(self, adapter: TypeAdapter[Found], content: bytes) -> Found:
        """Raises ForgeRefused for what isn't such a forge's: the address is a person's to change."""
        try:
            return adapter.validate_json(content)
        except ValidationError as error:
            problem = first_problem(error, "the answer")
        raise ForgeRefused(
            f"{self.host} does not answer as {self._manners.name} does ({problem}): "
            f'check api and kind in [forges."{self.host}"]'
        )

    async def retried(self, call: Callable[[], Awaitable[Found]]) -> Found:
        async def attempt() -> Found:  # tenacity waits for what is async by its own definition only
            return await call()

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Later),
            wait=self._wait,
            stop=stop_before_delay(self.timings.at_most),
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except Later as late:
            given_up = ForgeUnreachable(f"{self.host} {late}", late.until or now() + GIVEN_UP_FOR)
        raise given_up

    def _wait(self, state: RetryCallState) -> float:
        usual = self._backoff(state)
        late = state.outcome.exception() if state.outcome else None
        if not isinstance(late, Later) or late.until is None:
            return usual
        return max(usual, (late.until - now()).total_seconds())

    async def send(
        self,
        method: str,
        url: httpx.URL,
        body: BaseModel | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        may_leave: bool = False,
        paced: bool = True,
    ) -> httpx.Response:
        """One try, with the method kept where the repository has moved; `may_leave`: a way to another host is the
        answer. `paced`: a change waits for its turn.
        """
        for _ in range(MOST_REDIRECTS):
            answer = await self._exchange(method, url, body, headers or {}, paced=paced and method != "GET")
            if not answer.has_redirect_location:
                return answer
            url = answer.url.join(answer.headers["location"])
            if not self._is_ours(url):
                if may_leave:
                    return answer
                break
            self.redirects += answer.status_code != HTTPStatus.FOUND
        raise ForgeRefused(f'{self.host} sends us elsewhere: check api in [forges."{self.host}"]')

    async def _exchange(
        self, method: str, url: httpx.URL, body: BaseModel | None, headers: Mapping[str, str], *, paced: bool
    ) -> httpx.Response:
        token = await self.tokens.token()
        pace = self._paces.of(str(self._url), token)
        if paced:
            await pace.turn()
        if until := pace.held(self.resource(url), now()):
            raise Later(LIMITED, until)
        answer = await self._ask(method, url, body, headers, token)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and (newer := await self.tokens.newer_than(token)):
            answer = await self._ask(method, url, body, headers, newer)
        call = f"{method} {url.path}"
        trouble = self.trouble(answer) or self._manners.refusal(answer, self.host, call, self.tokens.place)
        if isinstance(trouble, Later) and trouble.limit is not None and trouble.until:
            pace.hold(trouble.limit, trouble.until)
        if trouble:
            raise trouble
        return answer

    def trouble(self, answer: httpx.Response) -> Later | Declined | None:
        """What the forge says before it says no."""
        return later(answer, now())

    def resource(self, url: httpx.URL) -> str:
        """What the forge counts this request as, where it counts more than one."""
        return ""

    async def _ask(
        self, method: str, url: httpx.URL, body: BaseModel | None, headers: Mapping[str, str], token: SecretStr | None
    ) -> httpx.Response:
        auth = Bearer(token, self._manners.token) if token else None
        try:
            content = body.model_dump_json() if body else None
            typed = {"Content-Type": "application/json"} if body else {}
            sent = {**self._manners.headers, **headers, **typed}
            return await self._client.request(method, url, content=content, headers=sent, auth=auth)
        except httpx.HTTPError as error:
            kind = type(error).__name__
        # Outside of the handler: the error holds the request with its token, and would be kept as this one's context.
        raise Later(f"does not answer ({kind})")

    async def _stream(self, url: httpx.URL, limit: int) -> bytes:
        kept = bytearray()
        if url.scheme != "https" and not is_loopback(url.host):
            return b""
        try:
            async with asyncio.timeout(self.timings.answer), self._client.stream("GET", url) as answer:
                if answer.is_success:
                    async for piece in answer.aiter_bytes():
                        kept += piece
                        del kept[:-limit]
            return bytes(kept)
        except (httpx.HTTPError, TimeoutError) as error:
            kind = type(error).__name__
        raise LogUnreachable(f"does not answer ({kind})")

    def at(self, path: str) -> httpx.URL:
        url = httpx.URL(path) if "://" in path else httpx.URL(f"{self._url}{path}")
        if not self._is_ours(url):
            raise ForgeRefused(f'{self.host} sends us elsewhere: check api in [forges."{self.host}"]')
        return url

    def _is_ours(self, url: httpx.URL) -> bool:
        """Whether the token may be sent there."""
        return (url.scheme, url.host, url.port) == (self._url.scheme, self._url.host, self._url.port)


def now() -> datetime:
    return datetime.now(UTC)
