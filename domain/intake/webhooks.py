"""What a forge's webhook proves, and whose it is (rule 7.9): that somebody who has the secret speaks of a repository.
Nothing else of it is believed, or even read; pure.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated

from pydantic import Field, ValidationError

from domain.tolerant import Tolerant

SHORTEST_SECRET = 32
_PREFIXES = {b"x-hub-signature-256": b"sha256=", b"x-gitea-signature": b"", b"x-forgejo-signature": b""}
"""GitHub's header, which Gitea and Forgejo send, too, and theirs → what stands in it before the signature."""
_TOKEN = b"x-gitlab-token"
"""GitLab's, which is the secret itself."""
PROOFS = frozenset({*_PREFIXES, _TOKEN})

Headers = Iterable[tuple[bytes, bytes]]
"""With names in lower case, as ASGI has them."""


class _Repository(Tolerant):
    full_name: Annotated[str, Field(max_length=300)] = ""


class _Project(Tolerant):
    path_with_namespace: Annotated[str, Field(max_length=300)] = ""


class _Delivery(Tolerant):
    repository: _Repository = _Repository()
    project: _Project = _Project()
    """GitLab's; its `repository` has no full name."""


def proves(headers: Headers) -> bool:
    """Whether a delivery holds anything that can be checked."""
    return any(name in PROOFS for name, _ in headers)


def is_proved(headers: Headers, body: bytes, secret: bytes) -> bool:
    """Whether whoever sent it knows the secret; each proof that is given has to hold."""
    signature = hmac.new(secret, body, sha256).hexdigest().encode()
    wanted = {**{name: prefix + signature for name, prefix in _PREFIXES.items()}, _TOKEN: secret}
    held = [hmac.compare_digest(value, wanted[name]) for name, value in headers if name in wanted]
    return bool(held) and all(held)


def repository_of(body: bytes) -> str:
    """The repository that a delivery is about, as `owner/name`; empty: it names none."""
    try:
        told = _Delivery.model_validate_json(body)
    except ValidationError:
        return ""
    return told.project.path_with_namespace or told.repository.full_name
