"""The configuration of the daemon's own git (design 17), as pure functions from the machine's configuration."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TAKEN_OVER = re.compile(
    r"credential\..+|url\..*\.(insteadof|pushinsteadof)|safe\.directory|core\.sshcommand|ssh\.variant"
    # Of one address all but what bounds a transfer, which is ours, and what git would write.
    r"|http\.(ssl\w+|version|proxy\w*)|http\..+\.(?!(lowspeed\w+|savecookies)$)\w+",
    re.IGNORECASE,
)
"""What a machine's owner sets up so that git reaches remotes at all; it is read, never written, and nothing else of
theirs is ours.
"""
MACHINE_SCOPES = frozenset({"system", "global", "command"})
KEPT_VARIABLES = re.compile(r"GIT_SSL_\w+|GIT_PROXY_SSL_\w+|GIT_HTTP_(USER_AGENT|PROXY_AUTHMETHOD)|GIT_SSH_VARIANT")

SSH = "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
NO_OPENSSH = frozenset({"plink", "putty", "tortoiseplink", "simple"})
"""Variants of ssh that don't know these options."""
NO_CODE_OF_THE_REPOSITORY = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "commit.gpgSign": "false",
    "push.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
"""Set for each command and not in the file: git hands the file on to a local remote, whose own hooks are its own."""


@dataclass(frozen=True)
class Entry:
    """One line of a configuration; a key without a value (`[credential] useHttpPath`) means true."""

    key: str
    value: str | None


OWN_SETTINGS = (
    Entry("user.name", "Makima"),
    Entry("user.email", "makima@localhost"),
    Entry("init.defaultBranch", "main"),
    Entry("gc.auto", "0"),
    Entry("maintenance.auto", "false"),
    Entry("receive.autogc", "false"),
    Entry("credential.interactive", "false"),
    Entry("http.lowSpeedLimit", "1000"),
    Entry("http.lowSpeedTime", "60"),
)


def taken_over(listing: bytes) -> tuple[Entry, ...]:
    """What counts of `git config --list --show-scope -z`, in git's order, for later entries win."""
    fields = listing.decode(errors="surrogateescape").split("\0")
    pairs = zip(fields[0::2], fields[1::2], strict=False)
    entries = (_entry(line) for scope, line in pairs if scope in MACHINE_SCOPES)
    return tuple(entry for entry in entries if TAKEN_OVER.fullmatch(entry.key))


def rewritten(url: str, entries: Iterable[Entry], *, push: bool = False) -> str:
    """Where git really goes for `url`, by the `insteadOf` (for a push first the `pushInsteadOf`) of the entries."""
    known = tuple(entries)
    for variable in ("pushinsteadof", "insteadof") if push else ("insteadof",):
        fitting = [
            (entry.value, entry.key.partition(".")[2].rpartition(".")[0])
            for entry in known
            if entry.key.lower().startswith("url.") and entry.key.lower().endswith(f".{variable}")
            if entry.value and url.startswith(entry.value)
        ]
        if fitting:
            replaced, base = max(fitting, key=lambda each: len(each[0]))
            return base + url.removeprefix(replaced)
    return url


def rendered(entries: Iterable[Entry]) -> str:
    """The entries as the text of a configuration file."""
    return "".join(f"{_section(entry.key)}\n\t{_assignment(entry)}\n" for entry in entries)


def as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings for one command that win over every file; git takes them from its children on a local remote."""
    pairs: dict[str, str] = {}
    for number, (key, value) in enumerate(settings.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {"GIT_CONFIG_COUNT": str(len(settings))} | pairs


def credentialed_environment(
    environ: Mapping[str, str], config: str, *, allow_local: bool, ssh: str = "ssh"
) -> dict[str, str]:
    """The environment of git that talks to remotes: the daemon's, but for every variable that steers git. `ssh` is the
    command by which it reaches ssh remotes.
    """
    kept = {
        name: value for name, value in environ.items() if not name.startswith("GIT_") or KEPT_VARIABLES.fullmatch(name)
    }
    return (
        kept
        | _steered(config, "https:http:ssh:git" + (":file" if allow_local else ""))
        | {
            "GIT_SSH_COMMAND": ssh,
            "SSH_ASKPASS_REQUIRE": "never",
        }
    )


def ssh_command(environ: Mapping[str, str], entries: Iterable[Entry]) -> str:
    """The owner's ssh, found as git finds it, with the options that keep it from asking or hanging."""
    known = {entry.key.lower(): entry.value for entry in entries}
    program = shlex.quote(environ["GIT_SSH"]) if environ.get("GIT_SSH") else "ssh"
    chosen = environ.get("GIT_SSH_COMMAND") or known.get("core.sshcommand") or program
    variant = environ.get("GIT_SSH_VARIANT") or known.get("ssh.variant") or ""
    return chosen if variant in NO_OPENSSH else f"{chosen} {SSH}"


def trusted(entries: Iterable[Entry], home: str) -> tuple[Entry, ...]:
    """The owner's `safe.directory`, for a git that knows no home folder. Who trusts a checkout trusts the git directory
    in it, which is the one that our git is told.
    """
    found: list[Entry] = []
    for entry in entries:
        if entry.key.lower() == "safe.directory":
            value = entry.value or ""
            path = home + value[1:] if value.startswith("~/") else value
            more = [] if path in ("", "*") or path.endswith(("/*", "/.git")) else [f"{path.rstrip('/')}/.git"]
            found += [Entry(entry.key, each) for each in (path, *more)]
    return tuple(found)


def plain_environment(environ: Mapping[str, str], config: str) -> dict[str, str]:
    """The environment of git that meets worktrees: no credential, no home, no network."""
    return _steered(config, "file") | {"PATH": environ.get("PATH", os.defpath), "HOME": "/nonexistent"}


def _steered(config: str, protocols: str) -> dict[str, str]:
    return {
        "GIT_CONFIG_GLOBAL": config,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C",
    } | as_environment(NO_CODE_OF_THE_REPOSITORY)


def _entry(line: str) -> Entry:
    key, separator, value = line.partition("\n")
    return Entry(key, value if separator else None)


def _section(key: str) -> str:
    section, _, rest = key.partition(".")
    subsection, _, _ = rest.rpartition(".")
    return f'[{section} "{_escaped(subsection)}"]' if subsection else f"[{section}]"


def _assignment(entry: Entry) -> str:
    name = entry.key.rpartition(".")[2]
    return name if entry.value is None else f'{name} = "{_escaped(entry.value)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
