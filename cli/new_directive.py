"""From the options of `start` to a valid Directive and plan; everything wrong is said before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from cli.directives import first_problem
from domain.chain_plan import read_chain_plan
from domain.errors import PlanRefused, Refused
from domain.models import AgentChoice, Directive, Settings, Step, Text, Timings
from domain.plan import add_steps
from domain.repository_url import parse_repository_url
from domain.spawn_task import PlanChanges

LONGEST_PLAN_FILE = 4 * 1024 * 1024


@dataclass(frozen=True)
class StartOptions:
    """As they were typed."""

    title: str
    goal: str
    repo: str
    base_branch: str
    requirements: tuple[str, ...]
    acceptance: tuple[str, ...]
    constraints: tuple[str, ...]
    agent: str
    planner: str | None
    plan: Path | None
    once: bool
    max_parallel: int
    max_attempts: int
    timings: str


def new_directive(options: StartOptions, owner: str) -> tuple[Directive, tuple[Step, ...]]:
    """The directive and the plan given with it; Refused with one line that says what to do."""
    if options.planner is None and options.plan is None:
        raise Refused("a directive needs --planner NAME (an agent of the daemon's settings) or --plan FILE")
    try:
        directive = Directive(
            id=uuid4(),
            owner=owner,
            text=Text(
                title=options.title.strip(),
                goal=options.goal.strip(),
                requirements=options.requirements,
                acceptance=options.acceptance,
                constraints=options.constraints,
            ),
            repository=_repository(options.repo),
            base_branch=_branch(options.base_branch),
            settings=Settings(
                agent=AgentChoice(name=options.agent),
                planner=AgentChoice(name=options.planner) if options.planner else None,
                once=options.once,
                max_parallel_steps=options.max_parallel,
                max_attempts=options.max_attempts,
                timings=_timings(options.timings),
            ),
        )
    except ValidationError as error:
        raise Refused(first_problem(error)) from error
    return directive, _given_plan(options.plan)


def _repository(typed: str) -> str:
    """A URL as it is, a path made absolute; whether it can be reached is the daemon's to find out."""
    if "://" not in typed and ("/" in typed or typed.startswith(".")) and ":" not in typed:
        typed = str(Path(typed).expanduser().absolute())
    repository = parse_repository_url(typed, allow_local=True)
    if repository.local_path is not None and not Path(repository.local_path).is_dir():
        raise Refused(f"there is no folder {repository.local_path}: --repo takes a URL or the path of a git repository")
    return repository.text


def _branch(typed: str) -> str:
    if not typed or typed.startswith("-") or any(character in typed for character in " ~^:?*[\\") or ".." in typed:
        raise Refused(f"{typed!r} is not a branch's name")
    return typed


def _timings(typed: str) -> Timings:
    known = {"normal": Timings(), "fast": Timings.fast()}
    if typed not in known:
        raise Refused(f"--timings is one of {', '.join(known)}")
    return known[typed]


def _given_plan(file: Path | None) -> tuple[Step, ...]:
    if file is None:
        return ()
    try:
        if file.stat().st_size > LONGEST_PLAN_FILE:
            raise Refused(f"{file} is too large for a plan")
        document = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"--plan {file}: {error}") from error
    try:
        planned = read_chain_plan(document)
        return add_steps(PlanChanges(), planned, generation=1, known=(), new_id=uuid4).add
    except PlanRefused as refusal:
        raise Refused(f"--plan {file}: {refusal}") from refusal
