"""What a repository says of itself in `.makima.toml` (rule 6.5), read where no task can have edited it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ValidationError

from daemon.git.git import commit_id
from daemon.git.repository_cache import RepositoryCache
from daemon.secrets.secret_search import AllowedSecret
from domain import names
from domain.documents import read_toml
from domain.errors import DocumentBroken, RepositoryError
from domain.opening_policy import OpeningPolicy
from domain.spawn_task import SpawnTask
from domain.start_defaults import StartDefaults
from domain.statuses import TaskKind
from domain.toml_problems import toml_problem
from domain.value import Value

FILE = ".makima.toml"
LARGEST = 64 * 1024
_MODES = ("100644", "100755")


def _command(line: str) -> str:
    if not line.strip() or "\0" in line:
        raise ValueError("a command is a line for a shell, and not empty")
    return line


Commands = tuple[Annotated[str, AfterValidator(_command)], ...]


class ProjectFile(Value):
    """Commands for a shell, run in the worktree one after the other, the first that fails being the last."""

    setup: Commands = ()
    """Before the agent starts."""
    verify: Commands = ()
    """When it has ended: all must end with 0."""
    branch_prefix: Annotated[str, AfterValidator(names.branch_prefix)] = ""
    """What the branches of directives begin with; empty: `makima/`."""
    allow_secrets: tuple[AllowedSecret, ...] = ()
    pull_request: OpeningPolicy = OpeningPolicy()
    """What the directive's pull requests begin with."""
    start: StartDefaults = StartDefaults()
    """Options of `start` that nobody has typed; what has been started has them already."""


async def project_of(command: SpawnTask, cache: RepositoryCache, commit: str) -> ProjectFile:
    """The directive's own commands, and in place of those that it doesn't have the file's at `commit`; planning has
    none: it only reads. Raises like `read_project`.
    """
    if command.kind is TaskKind.PLANNING:
        return ProjectFile()
    own = await read_project(cache, commit)
    return own.model_copy(update={"setup": command.setup or own.setup, "verify": command.verify or own.verify})


async def read_project(cache: RepositoryCache, commit: str) -> ProjectFile:
    """What the file says at `commit`, which must be in the cache: never what a worktree holds, where an agent can have
    edited it. RepositoryError, in one line that names the field, where it can't be understood.
    """
    where = f"{FILE} at {commit[:12]} of {cache.url.display}"
    listed = (await cache.local("ls-tree", "--long", "-z", commit_id(commit), "--", FILE)).text.rstrip("\0")
    if not listed:
        return ProjectFile()
    mode, _, blob, size = listed.partition("\t")[0].split()
    if mode not in _MODES or int(size) > LARGEST:
        raise RepositoryError(f"{where} is not a plain file of at most {LARGEST} bytes")
    return parsed((await cache.local("cat-file", "blob", blob)).stdout, where)


def parsed(content: bytes, where: str) -> ProjectFile:
    """`content` as a project; pure. Raises like `read_project`, `where` being how the line begins."""
    try:
        return ProjectFile.model_validate(read_toml(content))
    except DocumentBroken as error:
        raise RepositoryError(f"{where} is not TOML: {error}") from error
    except ValidationError as error:
        text = content.decode().removeprefix("\ufeff")
        raise RepositoryError(f"{where}: {toml_problem(text, error, ProjectFile)}") from error
