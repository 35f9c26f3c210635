"""`make images REGISTRY=URL`: write the digests of the images into docker-compose.yml and the Dockerfile.

The registry (its API of version 2, also behind a mirror) is asked for each image's manifest. Its digest is computed
from what came, and compared with what the registry says. Either every image gets its digest, or nothing is changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
FILES = ("docker-compose.yml", "Dockerfile")
OURS = "makima"
_IMAGE = re.compile(
    r"^(?P<before>\s*(?:image:|FROM)\s+)(?P<name>[a-z0-9._/-]+):(?P<tag>[\w.-]+)(?:@[\w:]+)?", re.MULTILINE
)
_TYPES = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
TIMEOUT = 30.0
LARGEST = 4 * 1024 * 1024
"""Bytes of a manifest; registries take no larger ones."""


class NoDigest(Exception):
    """The registry's answer is no digest; the text says which and why, on one line."""


def main() -> int:
    registry = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else ""
    if not re.fullmatch(r"https://\S+|http://(127\.0\.0\.1|localhost)(:\d+)?", registry):
        sys.stderr.write("name a registry: make images REGISTRY=https://…\n")
        return 2
    texts = {file: (ROOT / file).read_text() for file in FILES}
    try:
        with httpx.Client(base_url=registry, timeout=TIMEOUT, follow_redirects=True) as client:
            known = {image: digest(client, *image) for image in sorted(images(texts.values()))}
    except httpx.TransportError as error:
        sys.stderr.write(f"{registry} does not answer: {' '.join(str(error).split())}\n")
        return 3
    except (httpx.HTTPError, httpx.InvalidURL, NoDigest) as error:
        sys.stderr.write(f"no digest: {' '.join(str(error).split())}\n")
        return 1
    for file, text in texts.items():
        (ROOT / file).write_text(with_digests(text, known))
    sys.stdout.write("".join(f"{name}:{tag}@{found}\n" for (name, tag), found in known.items()))
    return 0


def images(texts: Iterable[str]) -> set[tuple[str, str]]:
    """(name, tag) of every image that comes from a registry."""
    found = (match for text in texts for match in _IMAGE.finditer(text))
    return {(match["name"], match["tag"]) for match in found if match["name"] != OURS}


def with_digests(text: str, known: dict[tuple[str, str], str]) -> str:
    def pinned(match: re.Match[str]) -> str:
        found = known.get((match["name"], match["tag"]))
        return f"{match['before']}{match['name']}:{match['tag']}@{found}" if found else match[0]

    return _IMAGE.sub(pinned, text)


def digest(client: httpx.Client, name: str, tag: str) -> str:
    """The digest of the image's manifest (of all platforms, where it has several); NoDigest, httpx.HTTPError."""
    repository = name if "/" in name else f"library/{name}"
    path, headers = f"/v2/{repository}/manifests/{tag}", {"Accept": _TYPES}
    answer, body = _get(client, path, headers)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        headers["Authorization"] = f"Bearer {_token(client, answer, f'{name}:{tag}')}"
        answer, body = _get(client, path, headers)
    if answer.status_code != httpx.codes.OK:
        raise NoDigest(f"{name}:{tag}: the registry answers with {answer.status_code}")
    if "schemaVersion" not in _fields(body):
        raise NoDigest(f"{name}:{tag}: the registry's answer is no manifest")
    found = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if (said := answer.headers.get("Docker-Content-Digest", found)) != found:
        raise NoDigest(f"{name}:{tag}: the registry says {said[:80]!r} of what is {found}")
    return found


def _token(client: httpx.Client, refused: httpx.Response, image: str) -> str:
    """One that lets everybody read: no account is used."""
    given = dict(_CHALLENGE.findall(refused.headers.get("WWW-Authenticate", "")))
    realm = given.pop("realm", "")
    if not realm.startswith(("https://", str(client.base_url))):
        raise NoDigest(f"{image}: the registry wants a login")
    answer, body = _get(client, str(httpx.URL(realm, params=given)), {})
    token = _fields(body).get("token") or _fields(body).get("access_token")
    if answer.status_code != httpx.codes.OK or not isinstance(token, str) or not re.fullmatch(r"[\w.~+/=-]+", token):
        raise NoDigest(f"{image}: the registry gives no token to read it")
    return token


def _get(client: httpx.Client, url: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
    """An answer and its body, of which no more is read than a manifest can have."""
    body = b""
    with client.stream("GET", url, headers=headers) as answer:
        for part in answer.iter_bytes():
            body += part
            if len(body) > LARGEST:
                raise NoDigest(f"{answer.url.path}: the registry's answer is larger than {LARGEST} bytes")
    return answer, body


def _fields(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
