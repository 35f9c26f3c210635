"""What `python -m daemon doctor` makes of what it sees on its machine: pure. `examination` does the looking."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from daemon.agents import ConfiguredAgent
from daemon.agents.coding import CodingAgent, KnownProgram
from daemon.git.signing import Signer
from daemon.sandbox.sandbox import MissingSandbox, NoSandbox, Sandbox
from domain.errors import MakimaError, SettingsError
from domain.health_report import Check, failed, good, warning
from domain.names import PREFIX

OLDEST_GIT = (2, 34)
"""What a Debian or Ubuntu that is still supported has."""
_VERSION = re.compile(r"(?<!\d)\d++(?:\.\d++)++")


@dataclass(frozen=True)
class Wanted:
    """What `doctor` was asked to look at beyond its machine."""

    repository: str = ""
    push: bool = False
    """Whether a branch and a ref may be pushed and removed again."""
    branch_prefix: str = ""
    """What a directive's branches are to begin with; empty: what the repository says, else `makima/`."""
    base_branch: str = ""
    """The branch that says so; empty: the default one."""


KNOWN = {
    str(agent.model_fields["program"].default): agent.known
    for agent in get_args(get_args(ConfiguredAgent)[0])
    if issubclass(agent, CodingAgent) and hasattr(agent, "known")
}
"""What Makima is tested with, by the program's name."""


@dataclass(frozen=True)
class AgentSeen:
    """A served agent as it was found."""

    name: str
    program: str
    """Its file's name; empty where the agent is no single program."""
    trouble: str = ""
    """Why it can't be run here, with the remedy."""
    said: str = ""
    """What it printed when asked for its version."""
    has_key: bool = False
    """Whether its environment holds a credential."""
    has_login: bool = False
    """Whether it says itself that it is logged in."""
    known: KnownProgram | None = None
    """What was tested of it; None: as its program's name says."""
    log_in: str = ""
    """The command that logs it in for this daemon; empty: its tasks can't use a login."""


def agent_checks(seen: AgentSeen) -> list[Check]:
    """Whether it is installed, in a version that was tested, and logged in; the last two of known programs alone."""
    about = f"agent {seen.name}"
    if seen.trouble:
        return [failed(about, seen.trouble)]
    known = seen.known or KNOWN.get(seen.program)
    if known is None:
        return [good(about, "installed")]
    version = _version_check(about, seen, known)
    return [version, _login_check(f"{about}: login", seen, known)] if known.asks_login else [version]


def _version_check(about: str, seen: AgentSeen, known: KnownProgram) -> Check:
    version = _VERSION.search(seen.said)
    if version is None and not known.asks_login:
        # A program that takes every argument for the protocol's.
        return warning(about, f"{seen.program} tells no version", f"Makima is tested with {known.tested}")
    if version is None:
        return failed(about, f"{seen.program} --version tells no version", f"install {known.tested}, which is tested")
    if version[0] != known.tested:
        remedy = f"Makima is tested with {known.tested}; where tasks of this agent fail strangely, install that one"
        return warning(about, f"{seen.program} {version[0]}", remedy)
    how = "was tried, as far as its request for a login" if known.until_login else "is tested"
    return good(about, f"{seen.program} {version[0]}, the version that {how}")


def _login_check(about: str, seen: AgentSeen, known: KnownProgram) -> Check:
    if seen.has_key:
        return good(about, "its environment holds a key or token")
    if seen.has_login:
        return good(about, "it says that it is logged in")
    if seen.log_in:
        return failed(
            about, "neither a key nor a login", f"set api_key_env or token_env in its settings, or: {seen.log_in}"
        )
    return failed(about, "no key", f"name {known.keys[0]} in its pass_env, or set it in its env")


def path_check(path: str, *, daemon_runs: bool) -> Check:
    """Where programs are looked for."""
    whose = "the running daemon's" if daemon_runs else "this shell's, since no daemon of this name runs here"
    return good("PATH", f"{whose}: {path}")


def price_check(name: str, model: str) -> Check:
    """Of an agent that doesn't say what it costs, and whose usual model has no price in the settings."""
    about, found = f"agent {name}: cost", f"no price is known for {model or 'its own choice of a model'}"
    table = f"agents.{name}.prices.{f'{model!r}' if model else 'any'}"
    return warning(
        about, found, f"it takes no task with --max-cost; set [{table}] in the daemon's settings: docs/agents.md"
    )


def parked_check(parked: str) -> Check:
    """Of an account that rests; the daemon tells how it calls it."""
    return warning("account", f"parked: {parked}", "it is tried again then, or now: python -m daemon parked --clear")


def set_aside_check(folder: str, reason: str) -> Check:
    """Of a folder whose work no start of the daemon tries to save any more."""
    remedy = "look at its folder work, or: python -m daemon restore TASK; then remove it"
    return warning("unsaved work", f"{folder}: {reason}", remedy)


def git_check(said: str) -> Check:
    """`said` is what `git --version` prints."""
    version = _VERSION.search(said)
    oldest = ".".join(map(str, OLDEST_GIT))
    if version is None:
        return failed("git", "not installed", f"install git {oldest} or newer")
    if tuple(map(int, version[0].split(".")[:2])) < OLDEST_GIT:
        return failed("git", version[0], f"install git {oldest} or newer")
    return good("git", version[0])


def identity_check(name: str, email: str) -> Check:
    """Who commits are by: the settings' own, whatever git is told elsewhere."""
    found = f"{name} <{email}>"
    if not name.strip() or "@" not in email:
        return failed("git identity", found, "set committer_name and committer_email in the daemon's settings")
    return good("git identity", found)


async def signing_check(opened: Callable[[], Signer | None]) -> list[Check]:
    """One signature is made, and thrown away; nothing is looked at where nothing is signed."""
    try:
        if (signer := opened()) is None:
            return []
        await signer.check()
    except SettingsError as error:
        return [failed("signing", str(error), "docs/daemon.md, Signed commits")]
    return [good("signing", signer.about)]


def sandbox_check(sandbox: Sandbox) -> Check:
    """`sandbox` is the one that was opened."""
    match sandbox:
        case MissingSandbox():
            return failed("sandbox", "none works here, and no agent is served without one", sandbox.reason)
        case NoSandbox():
            return good("sandbox", "none, as the settings say: agents see all that this user may see")
        case _:
            return good("sandbox", sandbox.name)


def disk_check(where: str, free_mb: int, wanted_mb: int) -> Check:
    found = f"{free_mb} MB free at {where}"
    if free_mb < wanted_mb:
        return failed("disk", found, f"make room, or lower min_free_disk_mb = {wanted_mb}: below it no task is taken")
    return good("disk", found)


def push_check(trouble: MakimaError | None, branches: int, prefix: str = PREFIX) -> Check:
    """`branches`: how many the remote has; `prefix`: what those begin with that were tried."""
    if trouble is not None:
        remedy = "git of this user must be able to push there without being asked (an ssh key, a credential helper)"
        return failed("repository", str(trouble), remedy)
    if not branches:
        return failed("repository", "it is empty", "push a first commit: a directive starts from a branch")
    return good("repository", f"a push of {prefix}… would be taken (dry run); branches: {branches}")


def project_check(trouble: MakimaError) -> Check:
    """Of a repository whose own settings can't be had: a directive there fails by them."""
    return failed(".makima.toml", str(trouble), f"mend it; tried was {PREFIX}…")


def branches_check(prefix: str, trouble: MakimaError | None) -> Check:
    """What came of pushing a branch that begins as the directive's will."""
    if trouble is not None:
        return failed("branches", str(trouble))
    return good("branches", f"{prefix}… are taken")


def refs_check(refs: MakimaError | None, branches: MakimaError | None) -> Check:
    """What came of pushing a ref of Makima's own, and where that was refused, of pushing a branch in its place."""
    if refs is None:
        return good("refs", "refs/makima/* are taken")
    if branches is None:
        return good("refs", "refs/makima/* are refused, branches makima-state/* are taken in their place")
    remedy = f"let this user push refs/makima/*, or makima-state/*, where work is saved ({branches})"
    return warning("refs", "unfinished work would be saved on this machine only", remedy)
