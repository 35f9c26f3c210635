"""What is different about an agent of the protocol: data, a file of profiles/ or written in the settings."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import Field

from daemon.agents.signs import Sign
from domain.value import Value

Seconds = Annotated[float, Field(gt=0, le=24 * 3600, allow_inf_nan=False)]
_PART = r"\.?[A-Za-z0-9_-][A-Za-z0-9._-]*"
Place = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$", max_length=200)]
"""A file or folder below the attempt's state."""


class Access(Value):
    """What a session is set to before it is asked anything; what is left empty stays as it is."""

    mode: str = ""
    options: dict[str, str] = Field(default_factory=dict)
    """Setting → value, as the agent calls them."""
    env: dict[str, str] = Field(default_factory=dict)
    """Set for its program beside the profile's."""


class Profile(Value):
    """How one agent is started, what its sessions are set to, and by what its ends are known."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """A program and its arguments."""
    tested: str = ""
    """The version that Makima was run with; empty: none."""
    until_login: bool = False
    """It was run no further than its request for a login."""
    full: Access = Access()
    """Where everything is allowed."""
    listed: Access = Access()
    """Where only what the list says is allowed, so that the agent has to ask."""
    env: dict[str, str] = Field(default_factory=dict)
    """Set for it; `{state}` is the attempt's own folder, in which its settings and sessions lie."""
    login_files: tuple[Place, ...] = ()
    """In that folder; they lie in the login's own, which all tasks share."""
    log_in: str = ""
    """The command by which a person logs in, with `{login}` for that folder."""
    key: str = ""
    """The variable in which it looks for an API key."""
    hosts: tuple[str, ...] = ()
    """Where its model is, unless the settings name another place: `host:port`."""
    tells_cost: bool = False
    """In USD; else a cost follows from its tokens, where the settings have a price."""
    takes_tools: bool = True
    """It is given the commands of `makima directive` as tools, too."""
    limit: Sign = Sign()
    """These and the following: what a line of its last message, or an error, begins with; searched in that order."""
    capacity: Sign = Sign()
    auth: Sign = Sign()
    context: Sign = Sign()
    """The conversation is too long for its model."""
    answer_seconds: Seconds = 120
    """How long it may take to begin: for its answer to each request before the prompt."""
    silence_seconds: Seconds = 600
    """How long it may say nothing while it waits for its model: some hide a limit behind a retry of hours."""


@cache
def shipped() -> dict[str, Profile]:
    """Name → profile: those that Makima knows, a file each."""
    there = files(__package__).joinpath("profiles").iterdir()
    texts = {file.name.removesuffix(".toml"): file.read_text() for file in there if file.name.endswith(".toml")}
    return {name: Profile.model_validate(tomllib.loads(texts[name])) for name in sorted(texts)}
