"""Looks through what commits add for secrets, in a bare repository: files, their names, messages and authors.

A program of its own, with the argument OPTIONS (`daemon.process.own_program`), so that megabytes of files and slow
patterns hold up no other task. OPTIONS and what it prints are JSON: {"head", "without": commits, "names", "contents":
patterns, "allowed": files, folders and hashes, "seconds"} → {"hits": [{"commit", "path", "raw": its bytes, "hash",
"shape"}], "whole": whether all was looked through, and every hit is told}.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, NamedTuple

PIECE = 4 * 1024 * 1024
"""Bytes of a file that are looked at together."""
OVERLAP = 4 * 1024
MOST_HITS = 1000
_RUN = rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{44,}+"
"""From its first character on, and never given back: tried from each of them, a line of a hundred kilobytes, as an
embedded picture is, takes minutes.
"""
WRAPPED = re.compile(_RUN + rb"={0,2}")
"""What may be a secret in base64: the shortest one has 33 characters."""
FOLDED = re.compile(_RUN + rb"(?:\r?\n[ \t]*+[A-Za-z0-9+/_-]++)++={0,2}")
"""The same over several lines, where a secret may begin in one and end in the next."""
BODY = re.compile(rb"[A-Za-z0-9+/=]{16,}")
KEY = b"PRIVATE KEY"
MESSAGE = "(commit message)"


class ChangedFile(NamedTuple):
    """A file that a commit adds or changes; of a merge, one that none of its parents has so."""

    commit: str
    path: str
    old: tuple[str, ...]
    new: str
    """Empty: a submodule's, which is no file and has a name all the same."""
    is_new: bool


class SecretShapes(NamedTuple):
    names: re.Pattern[str]
    contents: re.Pattern[bytes]


class RawHit(NamedTuple):
    commit: str
    path: str
    value: bytes
    is_name: bool = False
    """It is the file's name that speaks of a secret, whatever is in it."""

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.value).hexdigest()[:16]


class News:
    """Tells a hit that counts from one that is allowed, or that the base has already."""

    def __init__(self, base: str, allowed: list[str]) -> None:
        self._base = base
        self._allowed = frozenset(allowed)
        self._folders = tuple(each for each in allowed if each.endswith("/"))
        self._held: dict[bytes, bool] = {}

    def is_one(self, hit: RawHit) -> bool:
        path = printable(hit.path)
        if path in self._allowed or hit.hash in self._allowed or path.startswith(self._folders):
            return False
        # A base that speaks of `.env`, in its .gitignore for one, doesn't hold it.
        if hit.is_name or not self._base:
            return True
        if hit.value not in self._held:
            self._held[hit.value] = is_in(hit.value, self._base)
        return not self._held[hit.value]


def main() -> int:
    options = json.loads(sys.argv[1])
    until = time.monotonic() + options["seconds"]
    shapes = SecretShapes(
        re.compile("|".join(options["names"]), re.IGNORECASE), re.compile("|".join(options["contents"]).encode())
    )
    base = options["without"][0] if options["without"] else ""
    hits, whole = looked_through(options, shapes, News(base, options["allowed"]), until)
    print(json.dumps({"hits": [as_report(hit) for hit in hits], "whole": whole}))  # noqa: T201
    return 0


def looked_through(
    options: dict[str, Any], shapes: SecretShapes, news: News, until: float
) -> tuple[list[RawHit], bool]:
    """The hits that count, and whether that is all: what comes behind the last one that is told is not known."""
    hits: list[RawHit] = []
    with Blobs() as blobs:
        for hit in found(options["head"], options["without"], shapes, blobs, until):
            if hit is None or time.monotonic() > until:
                return hits, False
            if news.is_one(hit):
                if len(hits) >= MOST_HITS:
                    return hits, False
                hits.append(hit)
    return hits, True


def found(head: str, without: list[str], shapes: SecretShapes, blobs: Blobs, until: float) -> Iterator[RawHit | None]:
    """Every secret that was not in the file before; None: the time is over."""
    listed = git("rev-list", "--reverse", "--topo-order", head, *(f"^{each}" for each in without)).split()
    for commit in listed:
        if time.monotonic() > until:
            yield None
            return
        for value in secrets_in(blobs.content(commit), shapes):
            yield RawHit(commit, MESSAGE, value)
    known: dict[str, set[bytes]] = {}
    for change in changes(listed):
        if time.monotonic() > until:
            yield None
            return
        for blob in (*change.old, *([change.new] if change.new else [])):
            if blob not in known:
                known[blob] = set().union(*(secrets_in(piece, shapes) for piece in blobs.pieces(blob)))
        values = known.get(change.new, set()).difference(*(known[blob] for blob in change.old))
        values |= secrets_in(change.path.encode(errors="surrogateescape"), shapes)
        yield from (RawHit(change.commit, change.path, value) for value in sorted(values))
        if change.is_new and shapes.names.fullmatch(change.path.rpartition("/")[2]):
            yield RawHit(change.commit, change.path, change.path.encode(errors="surrogateescape"), is_name=True)


def changes(commits: list[str]) -> Iterator[ChangedFile]:
    asked = "".join(f"{commit}\n" for commit in commits)
    options = ("--stdin", "-r", "-c", "--root", "--raw", "-z", "--no-renames", "--no-abbrev", "--always")
    fields = iter(git("diff-tree", *options, stdin=asked).split("\0"))
    commit = ""
    for field in fields:
        if not field.startswith(":"):
            commit = field.strip() or commit
            continue
        parents = len(field) - len(field.lstrip(":"))
        parts = field.lstrip(":").split(" ")
        modes, blobs = parts[: parents + 1], parts[parents + 1 : 2 * parents + 2]
        path = next(fields)
        if modes[-1] != GONE:
            old = tuple(each for each, mode in zip(blobs[:-1], modes[:-1], strict=True) if mode not in NOTHING)
            yield ChangedFile(commit, path, old, "" if modes[-1] in NOTHING else blobs[-1], not old)


GONE = "000000"
NOTHING = (GONE, "160000")
"""Modes of what is no file."""


def secrets_in(content: bytes, shapes: SecretShapes) -> set[bytes]:
    """Also those that stand there as UTF-16 or UTF-32, or in base64."""
    values = plain_secrets(content, shapes)
    if b"\0" in content:
        values |= plain_secrets(content.replace(b"\0", b""), shapes)
        for coding in ("utf-16-le", "utf-16-be"):
            text = content.decode(coding, errors="ignore").encode(errors="ignore")
            values |= plain_secrets(text, shapes)
    for run in WRAPPED.finditer(content):
        values |= {run.group() for _ in plain_secrets(unwrapped(run.group()), shapes)}
    for run in FOLDED.finditer(content):
        values |= plain_secrets(unwrapped(b"".join(run.group().split())), shapes)
    return values


def plain_secrets(content: bytes, shapes: SecretShapes) -> set[bytes]:
    values = set()
    for match in shapes.contents.finditer(content):
        value = match.group()
        # All private keys begin alike: what they are comes on the lines after.
        body = BODY.search(content, match.end(), match.end() + 512) if KEY in value else None
        values.add(body.group() if body else value)
    return values


def unwrapped(run: bytes) -> bytes:
    with suppress(binascii.Error, ValueError):
        plain = run.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        return base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + b"==")
    return b""


class Blobs:
    """Reads objects, each in pieces that overlap."""

    def __enter__(self) -> Blobs:
        self._process = subprocess.Popen(("git", "cat-file", "--batch"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *error: object) -> None:
        self._asked.close()
        self._read.close()
        self._process.wait()

    @property
    def _asked(self) -> IO[bytes]:
        assert self._process.stdin
        return self._process.stdin

    @property
    def _read(self) -> IO[bytes]:
        assert self._process.stdout
        return self._process.stdout

    def content(self, name: str) -> bytes:
        return b"".join(self.pieces(name, overlap=0))

    def pieces(self, name: str, overlap: int = OVERLAP) -> Iterator[bytes]:
        self._asked.write(f"{name}\n".encode())
        self._asked.flush()
        left = int(self._read.readline().split()[2])
        before = b""
        while left:
            piece = self._read.read(min(left, PIECE))
            left -= len(piece)
            yield before + piece
            before = piece[-overlap:] if overlap else b""
        self._read.read(1)


def is_in(value: bytes, base: str) -> bool:
    """Whether a line of a file in `base` holds it already."""
    pattern = value.decode(errors="surrogateescape").strip("\r\n")
    if not pattern or "\n" in pattern or "\0" in pattern:
        return False
    asked = ("git", "grep", "--quiet", "--text", "--fixed-strings", "-e", pattern, base, "--")
    return subprocess.run(asked, stdout=subprocess.DEVNULL, check=False).returncode == 0


def as_report(hit: RawHit) -> dict[str, str]:
    """Without the secret: what it begins with is what its shape is known by."""
    is_key = len(hit.value) >= 16 and not re.match(rb"[a-zA-Z]{2,6}[-_]|AKIA|ASIA|AIza", hit.value)
    shape = "a private key" if is_key else f"{hit.value[:4].decode(errors='replace')}…"
    if hit.is_name:
        shape = "by its name"
    raw = hit.path.encode(errors="surrogateescape").hex()
    return {"commit": hit.commit, "path": printable(hit.path), "raw": raw, "hash": hit.hash, "shape": shape}


def printable(path: str) -> str:
    """As JSON, and a setting, can hold it: a name's bytes need be no UTF-8."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def git(*args: str, stdin: str = "") -> str:
    given = stdin.encode(errors="surrogateescape")
    done = subprocess.run(("git", *args), input=given, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"git {args[0]} ended with {done.returncode}")
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")


def options(
    head: str,
    without: list[str],
    names: tuple[str, ...],
    contents: tuple[str, ...],
    allowed: list[str],
    seconds: float,
) -> str:
    """The program's argument."""
    given: dict[str, Any] = {"head": head, "without": without, "names": names, "contents": contents}
    return json.dumps({**given, "allowed": allowed, "seconds": seconds})
