"""What is known of a tool chain: data, shipped in tool_chains.toml or written in the daemon's settings."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.value import Value


def _below(pattern: str) -> str:
    parts = pattern.split("/")
    if pattern.startswith("/") or ".." in parts or "**" in pattern or "\0" in pattern or not pattern:
        raise ValueError(f"{pattern!r} must lie below its folder: a pattern without .. and **")
    return pattern


def _place(text: str) -> str:
    if "\0" in text or not text.startswith(("/", "~/", "{folder}/", "{cache}/", "{config}/", "{data}/")):
        raise ValueError(f"{text!r} must begin with / or ~/, {{folder}}/, {{cache}}/, {{config}}/ or {{data}}/")
    return text


Pattern = Annotated[str, Field(max_length=200), AfterValidator(_below)]
"""Of files and folders below a folder, as a shell takes it: `*` is part of one name."""
Place = Annotated[str, Field(max_length=500), AfterValidator(_place)]
"""A path of this machine: `{cache}`, `{config}` and `{data}` are what XDG_CACHE_HOME and its like name, `{folder}` is
where the tool chain was found."""
Variable = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", max_length=100)]
Command = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]+$", max_length=100)]


class DownloadCache(Value):
    """What a tool has downloaded: every task reads it, and has a copy of its own for what it adds."""

    variable: Variable = ""
    """Names its folder in the daemon's environment."""
    folders: tuple[Place, ...] = ()
    """Where it is otherwise: the first that is there."""
    share: tuple[Pattern, ...]
    """What of it is shared."""
    fixed: tuple[Pattern, ...] = ()
    """Folders of it in which nobody changes a file once it is there: also small ones are links."""
    own: Pattern
    """The task's own, below `{own}`."""
    projects: tuple[Pattern, ...] = ()
    """Names of files by which a project is known that uses it; with none of them a task begins with an empty one."""
    linked: bool = True
    """False: the tool itself reads a second cache, and needs no copy."""


class Chosen(Value):
    """Where a user says which versions hold where a project names none, and where that is looked for in a HOME: a task
    has another one."""

    place: Place
    own: Pattern
    """Below the task's HOME."""


class ToolChain(Value):
    """Where a tool chain lies, and what of it the programs of tasks are shown."""

    variable: Variable = ""
    """Names its folder in the daemon's environment."""
    folders: tuple[Place, ...] = ()
    """Where it is otherwise: the first that is there."""
    show: tuple[Pattern, ...] = ()
    """What of it is no version and is needed."""
    versions: tuple[Pattern, ...] = ()
    """Folders that hold a version each."""
    proof: tuple[Pattern, ...] = ()
    """What holds none of these is no version, whatever it is called."""
    parts: tuple[Pattern, ...] = ()
    """What of a version is shown."""
    path: tuple[Pattern, ...] = ()
    """Its folders for PATH."""
    default: Pattern | None = None
    """A file that names the version whose `bin` belongs into PATH."""
    commands: tuple[Command, ...] = ()
    """Programs of it that lie elsewhere: in a folder of PATH, or in ~/.local/bin."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Set for the programs of tasks: `{folder}` is where it lies, `{own}` the task's folder for downloads, `{cached}`
    the machine's, `{home}` the task's HOME. What names a path that isn't there is left out."""
    chosen: Chosen | None = None
    """Of it names and versions alone are handed on: a `.toml` file's table `tools`, or lines of words."""
    cache: DownloadCache | None = None


class _Shipped(Value):
    chains: dict[str, ToolChain]


@cache
def shipped() -> dict[str, ToolChain]:
    """Name → tool chain."""
    text = files(__package__).joinpath("tool_chains.toml").read_text()
    return _Shipped.model_validate(tomllib.loads(text)).chains
