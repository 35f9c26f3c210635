"""Webhooks of issues, as each kind of forge sends and proves them (from memory); forgotten with the process."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import uuid4

import httpx

from fakes.forge.stored import Stored

ANSWER_WITHIN = 10.0
"""Seconds; a delivery is not tried again."""
Json = dict[str, Any]


class HookKind(StrEnum):
    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class Hook(Stored):
    kind: HookKind
    url: str
    secret: str


@dataclass
class Hooks:
    """Of one forge: `owner/name` → those that are told, and how they have answered."""

    of: dict[str, list[Hook]] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    """Status codes; 0: none came."""
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    def tell(self, repository: str, body_of: Callable[[HookKind], Json], *, is_comment: bool) -> None:
        """Send it to all who want to know, without waiting for them."""
        for hook in self.of.get(repository, ()):
            task = asyncio.create_task(self._deliver(hook, body_of(hook.kind), is_comment=is_comment))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _deliver(self, hook: Hook, told: Json, *, is_comment: bool) -> None:
        body = json.dumps(told).encode()
        headers = {"content-type": "application/json", **_headers(hook, body, is_comment=is_comment)}
        try:
            async with httpx.AsyncClient(timeout=ANSWER_WITHIN, trust_env=False) as client:
                answer = await client.post(hook.url, content=body, headers=headers)
        except httpx.HTTPError:
            self.answers.append(0)
        else:
            self.answers.append(answer.status_code)


def _headers(hook: Hook, body: bytes, *, is_comment: bool) -> dict[str, str]:
    signature = hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
    event = "issue_comment" if is_comment else "issues"
    match hook.kind:
        case HookKind.GITHUB:
            told = {"X-GitHub-Event": event, "X-GitHub-Delivery": str(uuid4())}
            return {**told, "X-Hub-Signature-256": f"sha256={signature}"}
        case HookKind.GITLAB:
            return {"X-Gitlab-Event": "Note Hook" if is_comment else "Issue Hook", "X-Gitlab-Token": hook.secret}
        case HookKind.GITEA:
            told = {"X-Gitea-Event": event, "X-GitHub-Event": event, "X-Gitea-Delivery": str(uuid4())}
            return {**told, "X-Gitea-Signature": signature, "X-Hub-Signature-256": f"sha256={signature}"}
