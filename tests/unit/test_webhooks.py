"""What proves a webhook, and what is read of it (rule 7.9)."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from cli.operator.webhooks import LONGEST_DELIVERY, PATH, Webhooks, secret_in
from domain.errors import NotReachable, Refused
from domain.intake.webhooks import is_proved, repository_of

SECRET = b"s" * 32
BODY = json.dumps({"repository": {"full_name": "acme/shop"}}).encode()
SIGNATURE = hmac.new(SECRET, BODY, sha256).hexdigest().encode()
FORGED = hmac.new(b"t" * 32, BODY, sha256).hexdigest().encode()
Headers = Sequence[tuple[bytes, bytes]]

GITHUB = [(b"x-hub-signature-256", b"sha256=" + SIGNATURE)]
GITEA = [(b"x-gitea-signature", SIGNATURE), (b"x-hub-signature-256", b"sha256=" + SIGNATURE)]
FORGEJO = [(b"x-forgejo-signature", SIGNATURE), (b"x-gitea-signature", SIGNATURE)]
GITLAB = [(b"x-gitlab-token", SECRET)]


@pytest.mark.rule("7.9")
@pytest.mark.parametrize(
    ("headers", "holds"),
    [
        (GITHUB, True),
        (GITEA, True),
        (FORGEJO, True),
        (GITLAB, True),
        ([], False),
        ([(b"x-hub-signature", b"sha1=" + SIGNATURE)], False),
        ([(b"x-hub-signature-256", SIGNATURE)], False),
        ([(b"x-hub-signature-256", b"sha256=")], False),
        ([(b"x-hub-signature-256", b"sha256=" + FORGED)], False),
        ([(b"x-gitea-signature", FORGED)], False),
        ([(b"x-gitea-signature", b"")], False),
        ([(b"x-gitlab-token", b"")], False),
        ([(b"x-gitlab-token", SECRET[:-1])], False),
        ([(b"x-gitlab-token", "ü".encode())], False),
        ([*GITHUB, (b"x-hub-signature-256", b"sha256=" + FORGED)], False),
        ([(b"x-gitlab-token", b"wrong"), *GITHUB], False),
    ],
)
def test_a_delivery_is_proved_by_whatever_its_forge_sends_and_by_nothing_that_fails(
    headers: Headers, holds: bool
) -> None:
    assert is_proved(headers, BODY, SECRET) is holds
    if holds and headers is not GITLAB:
        assert not is_proved(headers, BODY + b" ", SECRET)


@pytest.mark.rule("7.9")
@pytest.mark.parametrize(
    ("body", "repository"),
    [
        (BODY, "acme/shop"),
        (b'{"project": {"path_with_namespace": "a/b/c"}, "repository": {"name": "c"}}', "a/b/c"),
        (b"{}", ""),
        (b"[" * 100_000, ""),
        (b"payload=%7B%7D", ""),
        (b'{"repository": {"full_name": 7}}', ""),
        (json.dumps({"repository": {"full_name": "a/" + "b" * 500}}).encode(), ""),
        (b"\xff", ""),
    ],
)
def test_of_a_body_its_repository_is_read_and_nothing_else(body: bytes, repository: str) -> None:
    assert repository_of(body) == repository


@pytest.mark.rule("7.9")
def test_a_secret_that_others_may_read_or_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with pytest.raises(Refused, match="can't be read"):
        secret_in(file)
    os.mkfifo(pipe := file.with_name("pipe"), 0o600)
    for endless in (Path("/dev/zero"), pipe):
        with pytest.raises(Refused, match="is no file"):
            secret_in(endless)
    file.write_bytes(SECRET + b"\n")
    file.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        secret_in(file)
    file.chmod(0o600)
    assert secret_in(file) == SECRET
    for wrong in (b"short", b"", "ü".encode() * 40, b"a" * 20 + b"\n" + b"b" * 20):
        file.write_bytes(wrong)
        with pytest.raises(Refused, match="at least 32"):
            secret_in(file)


class Asked:
    """A request as the server hands it over."""

    def __init__(self, headers: Headers, *parts: bytes, path: str = PATH, method: str = "POST") -> None:
        self.scope = {"type": "http", "path": path, "method": method, "headers": headers}
        self.parts = list(parts)
        self.read = 0

    async def receive(self) -> dict[str, object]:
        self.read += 1
        if not self.parts:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self.parts.pop(0), "more_body": bool(self.parts)}

    async def status(self, known: set[str] | None) -> int:
        """`known`: repositories that have an intake; None: Temporal is away."""
        sent: list[dict[str, object]] = []

        async def wake(repository: str) -> bool:
            if known is None:
                raise NotReachable("away")
            return repository in known

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        await Webhooks(SECRET, wake)(self.scope, self.receive, send)
        assert not sent[1]["body"], "nobody learns anything"
        return int(str(sent[0]["status"]))


@pytest.mark.rule("7.9")
async def test_each_delivery_is_answered_by_a_number_alone() -> None:
    half = len(BODY) // 2
    assert await Asked(GITHUB, BODY[:half], BODY[half:]).status({"acme/shop"}) == 202
    assert await Asked(GITHUB, BODY).status({"acme/other"}) == 404
    assert await Asked(GITHUB, BODY).status(None) == 503
    assert await Asked(GITHUB, BODY, path="/").status({"acme/shop"}) == 404
    assert await Asked(GITHUB, method="GET").status({"acme/shop"}) == 405
    assert await Asked([(b"x-gitlab-token", SECRET)], b"{}").status({"acme/shop"}) == 400
    assert await Asked([(b"x-gitea-signature", FORGED)], BODY).status({"acme/shop"}) == 401


@pytest.mark.rule("7.9")
async def test_what_proves_nothing_is_not_read_and_what_is_too_long_not_to_its_end() -> None:
    unsigned = Asked([], BODY)
    assert (await unsigned.status({"acme/shop"}), unsigned.read) == (401, 0)
    long = Asked(GITLAB, *[b" " * (LONGEST_DELIVERY // 2)] * 8)
    assert (await long.status({"acme/shop"}), long.read) == (413, 3)
