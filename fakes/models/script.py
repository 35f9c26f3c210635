"""What a script says: for each conversation, the replies of the model in their order. Read from JSON."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError

from domain.errors import SettingsError
from domain.problems import first_problem
from domain.value import Value

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Usage(Value):
    """The tokens that a reply is said to have cost."""

    input: Count = 1000
    cache_write: Count = 200
    cache_read: Count = 300
    output: Count = 50


class Shell(Value):
    """The agent runs a command in its shell."""

    call: Literal["shell"]
    command: str


class Read(Value):
    """The agent reads a file of its working directory; Claude Code edits only what it has read."""

    call: Literal["read"]
    path: str


class Write(Value):
    """The agent makes a file."""

    call: Literal["write"]
    path: str
    text: str


class Edit(Value):
    """The agent replaces whole lines of a file that it has read."""

    call: Literal["edit"]
    path: str
    old: str
    new: str


class Tool(Value):
    """Any other tool of the agent, by its own name."""

    call: Literal["tool"]
    name: str
    namespace: str = ""
    """The group that it is in, where the API has such: the Responses API keeps a tool server's tools together."""
    input: dict[str, JsonValue]


Call = Annotated[Shell | Read | Write | Edit | Tool, Field(discriminator="call")]


class Turn(Value):
    """The model says something, or calls tools, or both; without a call the agent's turn ends."""

    reply: Literal["turn"]
    text: str = ""
    calls: tuple[Call, ...] = ()
    usage: Usage = Usage()
    after: Seconds = 0
    """How long the model thinks."""


class ErrorKind(StrEnum):
    """How the API refuses, each worded as the real one words it."""

    BAD_REQUEST = "bad_request"
    TOO_LONG = "too_long"
    """The context is full (400)."""
    UNAUTHORIZED = "unauthorized"
    RATE_LIMIT = "rate_limit"
    """Too many requests for now (429)."""
    USAGE_LIMIT = "usage_limit"
    """The account's plan is used up until a reset (429)."""
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    """529 of Anthropic, 503 of OpenAI."""


class Error(Value):
    """The API refuses, so many times in a row."""

    reply: Literal["error"]
    error: ErrorKind
    times: Annotated[int, Field(ge=1)] = 1
    retry_after: Count | None = None
    """Seconds, in the header of that name."""
    resets_in: Count | None = None
    """Seconds until the limit's reset, as the API names it: as a time."""


class Hang(Value):
    """The API says `text` and then nothing, until the agent leaves."""

    reply: Literal["hang"]
    text: str = ""


class Cut(Value):
    """The connection is cut in the middle of a reply."""

    reply: Literal["cut"]
    text: str = "I begin"
    times: Annotated[int, Field(ge=1)] = 1


Reply = Annotated[Turn | Error | Hang | Cut, Field(discriminator="reply")]


class ScriptedConversation(Value):
    """All requests in which the user said `match`; each takes the next reply, whichever session it is of."""

    match: Annotated[str, Field(min_length=1)]
    replies: tuple[Reply, ...]


class Script(Value):
    """Where several conversations match, the first one counts."""

    conversations: tuple[ScriptedConversation, ...] = ()


def load_script(file: Path) -> Script:
    """Read a script; SettingsError in one line that names the file and the field."""
    try:
        return Script.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SettingsError(f"{file} can't be read ({error.strerror}): name a script with --script") from error
    except ValidationError as error:
        raise SettingsError(f"{file}: {first_problem(error)}") from error
