"""Where a repository is: which forms of address are accepted (rule 6.1), and how one may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from domain.errors import Refused
from domain.repository_mistakes import known_mistake

LONGEST_URL = 2048

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
_HOST = r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])"
_AUTHORITY = re.compile(rf"(?:(?P<user>[^@/]*)@)?{_HOST}(?P<port>:\d{{1,5}})?(?P<path>/.+)")
_SCP_LIKE = re.compile(rf"(?:(?P<user>[A-Za-z0-9_.+-]+)@)?{_HOST}:(?P<path>[^:].*)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")

_HTTP_USERINFO = re.compile(r"(https?://)[^/\s]*@", re.IGNORECASE)
_PASSWORD = re.compile(r"([a-z0-9+.-]://[^/\s:@]*):[^/\s]*@", re.IGNORECASE)
"""Of a scheme the last character only: a remote may say a long line of letters, and each could begin one."""

REMOTE_SCHEMES = frozenset({"https", "http", "ssh", "git"})
_HTTP_PORTS = {"https": ":443", "http": ":80"}
_LOOPBACK = re.compile(r"(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")


class RepositoryKind(StrEnum):
    """Whether a repository is reached over a network or lies on the daemon's own machine (rule 6.13)."""

    REMOTE = "remote"
    LOCAL = "local"


@dataclass(frozen=True)
class RepositoryUrl:
    """An accepted address. `text` goes to git as it is; everything that a person reads gets `display`."""

    text: str
    kind: RepositoryKind
    host: str = ""
    """In lower case; with the port where an http address names one that isn't the usual. Empty for a local one."""
    path: str = ""
    """On the host, without the first `/` and the last `.git`: what a forge calls it, `owner/name`."""
    scheme: str = ""
    """In lower case; `ssh` for `user@host:path`."""

    @property
    def display(self) -> str:
        """The address without the secrets that it may carry."""
        return masked(self.text)

    @property
    def local_path(self) -> str | None:
        """The absolute path of a local repository, None for a remote one."""
        return path_of(self.text) if self.kind is RepositoryKind.LOCAL else None


def parse_repository_url(text: str, *, allow_local: bool) -> RepositoryUrl:
    """The repository that `text` names: https, ssh, git, `user@host:path`, http on this machine, and, where the setting
    allows, `file:///path` or an absolute path (rule 6.1). Refused: everything else, above all `ext::` and options in
    disguise.
    """
    if not text or len(text) > LONGEST_URL or _UNPRINTABLE.search(text) or text != text.strip():
        raise Refused(f"A repository's address is 1 to {LONGEST_URL} printable characters without blanks around it.")
    refuse_mistake(text)
    if text.startswith("-") or _HELPER.match(text):
        raise Refused(f"{masked(text)!r} is not a repository's address: options and remote helpers are not accepted.")
    if local := _local(text):
        if not allow_local:
            raise Refused(f"{text!r} is a path of one machine; only https, ssh and git addresses are taken here.")
        return local
    return _remote(text)


def refuse_mistake(text: str) -> None:
    """Raise Refused where `text` is something else that people take for a repository's address."""
    if strange := known_mistake(masked(text)):
        raise Refused(f"{masked(text)!r} {strange}")


def masked(text: str) -> str:
    """`text` with the user and password of every http address in it, and the password of any other, made unreadable."""
    return _PASSWORD.sub(r"\1:***@", _HTTP_USERINFO.sub(r"\1***@", text))


def path_of(text: str) -> str | None:
    """The path of this machine that git reads in an address, None where it names a remote; git takes what stands
    after a `%` in a `file://` address for the character of that number.
    """
    if text.lower().startswith("file://"):
        return unquote(text[len("file://") :])
    return None if "://" in text or ":" in text.partition("/")[0] else text


def _local(text: str) -> RepositoryUrl | None:
    path = text[len("file://") :] if text.lower().startswith("file://") else text
    return RepositoryUrl(text, RepositoryKind.LOCAL) if path.startswith("/") else None


def is_loopback(host: str) -> bool:
    """Whether `host`, with or without a port, is this machine: what is sent there in clear nobody else can read."""
    return bool(_LOOPBACK.fullmatch(host.lower()))


def _remote(text: str) -> RepositoryUrl:
    scheme, parts = "ssh", _SCP_LIKE.fullmatch(text)
    if schemed := _SCHEME.fullmatch(text):
        scheme, parts = schemed["scheme"].lower(), _AUTHORITY.fullmatch(schemed["rest"])
        if scheme == "file":
            raise Refused(f"{text!r}: a file:// address holds the whole path of this machine: file:///srv/shop.")
        if scheme not in REMOTE_SCHEMES:
            raise Refused(f"{masked(text)!r}: git over {schemed['scheme']!r} is not accepted; use https, ssh or git.")
    if parts is None or any((part or "").startswith("-") for part in parts.groups()):
        raise Refused(
            f"{masked(text)!r} is not a repository's address: use https://host/path, user@host:path or /a/path."
        )
    host = _host(scheme, parts)
    if scheme == "http" and not is_loopback(host):
        raise Refused(f"{masked(text)!r}: what http sends can be read and changed on its way; use https.")
    path = parts["path"].strip("/").removesuffix(".git").rstrip("/")
    return RepositoryUrl(text, RepositoryKind.REMOTE, host, path, scheme)


def _host(scheme: str, parts: re.Match[str]) -> str:
    port = parts.groupdict().get("port") or ""
    is_usual = scheme not in _HTTP_PORTS or port == _HTTP_PORTS[scheme]
    return parts["host"].lower() + ("" if is_usual else port)
