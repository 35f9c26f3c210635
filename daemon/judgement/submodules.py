"""A submodule's commit, which its remote must have: the work only points to it."""

from __future__ import annotations

import re
import shlex
from posixpath import normpath

from daemon.git.commits import changes
from daemon.judgement.check import Examined, Fault, advice, fault, named
from domain.failures import FailureCategory

ASKED_AT_MOST = 20
SECONDS = 60
"""For each submodule's remote."""
_ABSENT = re.compile(
    r"not our ref|couldn't find remote ref|no such remote ref|unadvertised object|does not exist", re.I
)
_PROTOCOLS = "https:http:ssh:git:file"
_SUBMODULE = (
    "Push that commit to the submodule's own remote if you may, or let the submodule point to one that its remote has. "
    "A repository of which .gitmodules tells no address can't be found by anybody: remove its .git and add its files."
)


async def lost_submodules(work: Examined) -> Fault | None:
    """A link to a commit that this work has set and that the submodule's remote doesn't have. Asked as the agent, with
    none of the daemon's credentials: the address is the agent's.
    """
    linked = {path: new for path, mode, new in await changed(work) if mode == "160000"}
    if not linked:
        return None
    addresses = await _addresses(work)
    unknown = [path for path in linked if path not in addresses]
    if unknown:
        wrong = f"a link to a repository without an address in .gitmodules: {named(unknown)}"
        return fault(FailureCategory.POINTER, wrong, _SUBMODULE)
    unasked = []
    for path, commit in list(linked.items())[:ASKED_AT_MOST]:
        said = await work.run_script(_question(_absolute(addresses[path], work.cache.url.text), commit))
        if _ABSENT.search(said):
            wrong = f"submodule {path} points to {commit}, which its remote doesn't have"
            return fault(FailureCategory.POINTER, wrong, _SUBMODULE)
        if said.splitlines()[-1:] != ["0"]:
            unasked.append(path)
    if unasked:
        wrong = f"whether their remotes have the new commits of these submodules can't be asked: {named(unasked)}"
        return advice(FailureCategory.POINTER, wrong, _SUBMODULE)
    return None


async def changed(work: Examined) -> list[tuple[str, str, str]]:
    """Path, mode and object of what the work has added or changed."""
    found = await changes(work.cache, work.began, work.head)
    return [(each.path, each.mode, each.blob) for each in found if each.status in "AMT"]


async def _addresses(work: Examined) -> dict[str, str]:
    """Path → address, as .gitmodules says in the work."""
    asked = ("config", "--blob", f"{work.head}:.gitmodules", "--null", "--get-regexp", r"^submodule\..*\.(path|url)$")
    told = await work.cache.local(*asked, also=(1, 128))
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for entry in told.names if told.exit_code == 0 else ():
        key, _, value = entry.partition("\n")
        name, _, field = key.rpartition(".")
        (paths if field == "path" else urls)[name] = value
    return {path: urls[name] for name, path in paths.items() if urls.get(name)}


def _absolute(address: str, repository: str) -> str:
    """git takes a relative one from the repository's own; pure."""
    if not address.startswith(("./", "../")):
        return address
    scheme, separator, rest = repository.rpartition("://")
    host, colon, path = rest.partition(":") if not separator and not rest.startswith("/") else ("", "", rest)
    return f"{scheme}{separator}{host}{colon}{normpath(f'{path}/{address}')}"


def _question(address: str, commit: str) -> str:
    """A script that prints what git says of fetching the commit, and its exit code on the last line."""
    given = f"{shlex.quote(address)} {commit}"
    return (
        "d=$(mktemp -d) && git init --quiet --bare $d; export GIT_TERMINAL_PROMPT=0 GIT_NO_LAZY_FETCH=1;"
        f"export GIT_ALLOW_PROTOCOL={_PROTOCOLS};"
        f"timeout {SECONDS} git --git-dir=$d fetch --quiet --depth=1 --no-tags -- {given} 2>&1; echo $?; rm -rf $d"
    )
