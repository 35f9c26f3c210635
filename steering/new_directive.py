"""From the options of `start` to a valid Directive and plan; everything wrong is said before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from pydantic import Field, ValidationError

from domain.chain_plan import read_plan_file
from domain.directive_settings import SHELL, AgentChoice, CompletionRule, Settings, StepAgents, agent_list
from domain.errors import PlanRefused, Refused
from domain.issues import issue_reference
from domain.models import Directive, PlanChanges, State, Step, Text
from domain.names import check_branch
from domain.opening_choice import DraftPolicy, MergeMethod
from domain.plan import add_steps
from domain.problems import first_problem
from domain.reports import DaemonSeen
from domain.repository_url import parse_repository_url, refuse_mistake
from domain.size import check_size
from domain.timings import Timings
from steering.given_files import read_given
from steering.opening_options import OPENING, opening_choice

LONGEST_PLAN_FILE = 4 * 1024 * 1024
MAX_TEXT = 256 * 1024
"""Bytes, as JSON: a prompt has less, and the record is told them twice in one write."""

MOST_MINUTES = 8 * 24 * 60

Texts = Annotated[list[str] | None, Field(description="May be given more than once.")]

_ROUNDS, _PARALLEL, _ATTEMPTS, _WAIT = (
    Settings.model_fields[name].default
    for name in ("shepherd_rounds", "max_parallel_steps", "max_attempts", "fallback_after")
)


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """The options of `start` and `create`, as they were typed."""

    title: Annotated[str, Field(description="A short name for the goal; else the issue's.")] = ""
    issue: Annotated[
        str | None, Field(description="A forge's issue: title, text and its writers' comments are the goal.")
    ] = None
    yes: Annotated[bool, Field(description="Take the issue's text as it is now, whoever has written it.")] = False
    goal: Annotated[str | None, Field(description="What shall be true when it is done.")] = None
    goal_file: Annotated[Path | None, Field(description="A file that holds the goal; - for the standard input.")] = None
    edit: Annotated[bool, Field(description="Write the goal in $EDITOR.")] = False
    like: Annotated[str, Field(description="A directive whose options count for all that is not typed.")] = ""
    repo: Annotated[
        str, Field(description="A git URL, or the path of a repository on the daemon's machine; else the issue's.")
    ] = ""
    base_branch: Annotated[str, Field(description="Where the work starts and is merged; else the default branch.")] = ""
    requirement: Texts = None
    acceptance: Texts = None
    constraint: Texts = None
    agents: Annotated[
        str | None,
        Field(description="Agents for all that names none of its own, the next where one can't: a,b."),
    ] = None
    agent: Annotated[
        str | None, Field(description="The daemon's agent that does the steps; else the planner does. Or a list: a,b.")
    ] = None
    planner: Annotated[str | None, Field(description="The daemon's agent that makes the plans, or a list.")] = None
    plan: Annotated[
        Path | None, Field(description="A chain plan document: the first plan; with --planner, that makes later ones.")
    ] = None
    on: Annotated[
        str,
        Field(
            description="The only daemon that may serve it: whoever has a local path; 'any' where all daemons have it."
        ),
    ] = ""
    label: Annotated[str, Field(description="Only daemons with it may serve it; steps may have their own.")] = ""
    once: Annotated[bool, Field(description="Complete or fail in place of becoming idle.")] = False
    fail_fast: Annotated[bool, Field(description="The first failed step cancels the rest.")] = False
    completion: Annotated[
        CompletionRule, Field(description="Ship what is done though other steps failed, or wait for all.")
    ] = CompletionRule.PARTIAL
    require_approval: Annotated[bool, Field(description="Hold every plan until `approve` or `reject`.")] = False
    memory: Annotated[bool, Field(description="Let its agents remember things for each other.")] = False
    setup: Annotated[list[str] | None, Field(description="Run before every agent; may be given more than once.")] = None
    verify: Annotated[
        list[str] | None, Field(description="Has to succeed on every step's work; may be given more than once.")
    ] = None
    pull_request: Annotated[bool, Field(description="Open one, or push the branch and no more.")] = True
    pr_label: Annotated[
        list[str] | None, Field(description="The pull request's, not the daemons'; may be given more than once.")
    ] = None
    reviewer: Annotated[
        list[str] | None, Field(description="Of the pull request: a login, or ORG/TEAM; may be given more than once.")
    ] = None
    assignee: Annotated[list[str] | None, Field(description="A login; may be given more than once.")] = None
    milestone: Annotated[str, Field(description="The title of an open one, for the pull request.")] = ""
    draft: Annotated[
        DraftPolicy | None, Field(description="The pull request: unfinished, always, never; else as .makima.toml says.")
    ] = None
    auto_merge: Annotated[
        MergeMethod | None, Field(description="merge, squash, rebase: by the forge itself, once its rules are met.")
    ] = None
    shepherd: Annotated[bool, Field(description="Fix failed checks and answer reviews once it is open.")] = True
    shepherd_rounds: Annotated[int, Field(description="Rounds of such fixes before you are asked.")] = _ROUNDS
    fixer: Annotated[
        str | None,
        Field(description="The agent for such fixes, or a list; else the planner's, else the step's."),
    ] = None
    resolver: Annotated[
        str | None, Field(description="The agent for conflicts of the merge, or a list; else the step's.")
    ] = None
    step_agent: Annotated[
        list[str] | None,
        Field(description="A plan may give this to a step; may be given more than once."),
    ] = None
    fallback_after: Annotated[
        float,
        Field(description="How long an agent is waited for before the next of its list goes on."),
    ] = _WAIT // timedelta(minutes=1)
    branch_prefix: Annotated[
        str, Field(description="What its branches begin with; else what .makima.toml says, else makima/.")
    ] = ""
    closes: Annotated[
        list[str] | None,
        Field(description="A number or address: closed by the merge; may be given more than once."),
    ] = None
    keep_branches: Annotated[bool, Field(description="Leave the branches of merged work on the remote.")] = False
    max_parallel_steps: Annotated[int, Field(description="How many steps may be in flight.")] = _PARALLEL
    max_attempts: Annotated[int, Field(description="How often an agent may try a step.")] = _ATTEMPTS
    max_turns: Annotated[int, Field(description="How many turns an agent may take for a step; 0: no limit.")] = 0
    max_cost_usd: Annotated[float, Field(description="What an agent may cost for a step, in USD; 0: no limit.")] = 0
    budget: Annotated[
        str, Field(description="What the whole directive may use: 20usd, 5M tokens or 6h, or several with commas.")
    ] = ""
    timings: Annotated[str, Field(description="normal, or fast for tests.")] = "normal"
    wait_for_daemon: Annotated[
        bool,
        Field(description="Start it unchecked: it waits for a daemon, and pauses where one finds it wrong."),
    ] = False


def new_directive(options: StartOptions, owner: str) -> State:
    """The draft of a directive, with the plan given for it; Refused with one line that says what to do."""
    for name in ("title", "repo"):
        if not getattr(options, name):
            raise Refused(f"a directive needs --{name}, or --issue URL, which says it")
    if options.planner is None and options.plan is None and options.agents is None:
        raise Refused("a directive needs --planner NAME (an agent of the daemon's settings) or --plan FILE")
    if options.planner is None and options.plan is None and _agents(options, "planner") is None:
        raise Refused("the shell agent makes no plans, it runs them: add --planner NAME or --plan FILE")
    if options.agent is None and options.planner is None and options.agents is None:
        raise Refused("--plan needs --agent NAME, too: the agent of the daemon's settings that does its steps")
    if (options.goal is None) == (options.goal_file is None):
        raise Refused("a directive needs --goal TEXT or --goal-file FILE, one of them; or --issue URL")
    if options.label and options.on not in ("", ANY):
        raise Refused(f"--on {options.on} names the daemon: --label {options.label} has nothing left to choose")
    try:
        directive = Directive(
            id=uuid4(),
            owner=owner,
            text=_text(options),
            repository=repository_at(options.repo, here=not options.on),
            base_branch=check_branch(options.base_branch) if options.base_branch else "",
            settings=_settings(options),
        )
    except ValidationError as error:
        raise Refused(first_problem(error)) from error
    draft = State(directive=directive, given_plan=_given_plan(options.plan, directive.settings.for_steps))
    if len(directive.text.model_dump_json()) > MAX_TEXT:
        raise Refused(
            f"title, goal and lists hold more than {MAX_TEXT // 1024} KiB: put what is long into a file there"
        )
    check_size(draft)
    return draft


ANY = "any"
"""`--on any`: the path lies on a file system that all daemons share."""


def placed(draft: State, daemons: Sequence[DaemonSeen]) -> State:
    """A local repository is served by the daemon of its machine: `--on`, or the only one there is (rule 6.13)."""
    directive = draft.directive
    local = parse_repository_url(directive.repository, allow_local=True).local_path
    wanted = directive.settings.label
    lately = [each.name for each in daemons if each.reported_lately and (not wanted or wanted in each.labels)]
    if directive.settings.on == ANY:
        return _served_by(draft, "")
    if local is None or directive.settings.on or not lately:
        return draft
    if len(lately) > 1:
        raise Refused(f"{local} is on one machine, but there are the daemons {', '.join(lately)}: add --on NAME or any")
    return _served_by(draft, lately[0])


def _served_by(draft: State, daemon: str) -> State:
    directive = draft.directive
    settings = directive.settings.model_copy(update={"on": daemon})
    return draft.model_copy(update={"directive": directive.model_copy(update={"settings": settings})})


def _text(options: StartOptions) -> Text:
    return Text(
        title=options.title.strip(),
        goal=(with_goal_read(options).goal or "").strip(),
        requirements=tuple(options.requirement or ()),
        acceptance=tuple(options.acceptance or ()),
        constraints=tuple(options.constraint or ()),
    )


def with_goal_read(options: StartOptions) -> StartOptions:
    """With the text of its file in place of that: the standard input comes once."""
    if options.goal_file is None or options.goal is not None:
        return options
    return replace(options, goal=read_given("--goal-file", options.goal_file, MAX_TEXT), goal_file=None)


def _settings(options: StartOptions) -> Settings:
    """An option that is named as a setting is that setting."""
    typed = {name: getattr(options, name) for name in Settings.model_fields if hasattr(options, name)}
    agents = {name: _agents(options, name) for name in ("planner", "fixer", "resolver")}
    commands = {name: tuple(typed[name] or ()) for name in ("setup", "verify")}
    commands["step_agents"] = tuple(options.step_agent or ())
    commands["closes"] = _issues(options.closes or (), options.repo)
    opening = opening_choice({name: getattr(options, name) for name in OPENING.values()})
    # Never a default of its own: the shell would run as a script what a planner has written for a reader.
    agent = _agents(options, "agent") or agents["planner"]
    times = {"timings": _timings(options.timings), "fallback_after": in_minutes(options.fallback_after)}
    return Settings.model_validate({**typed, **agents, **commands, **times, "agent": agent, "opening": opening})


def _issues(typed: Sequence[str], repo: str) -> tuple[str, ...]:
    """As the repository's forge names them; a repository on a daemon's machine has no forge that could close any."""
    if not typed:
        return ()
    repository = parse_repository_url(repository_at(repo, here=False), allow_local=True)
    if not repository.host:
        raise Refused("--closes needs a repository at a forge: --repo names a path")
    return tuple(issue_reference(each, repository) for each in typed)


def _agents(options: StartOptions, kind: str) -> AgentChoice | None:
    """Those of a kind of task, else those of all; fixes and conflicts are left to whoever does them by default."""
    for_all = options.agents if kind in ("agent", "planner") else None
    typed = getattr(options, kind) or for_all
    if not typed or (kind == "planner" and not options.planner and typed.strip() == SHELL):
        return None
    try:
        return agent_list(typed.split(","))
    except ValueError as error:
        raise Refused(f"--{kind if getattr(options, kind) else 'agents'}: {error}") from error


def in_minutes(typed: float) -> timedelta:
    """So many; Refused for what is no length of time."""
    if not 0 <= typed <= MOST_MINUTES:
        raise Refused(f"--fallback-after takes minutes, from 0 to {MOST_MINUTES}")
    return timedelta(minutes=typed)


def repository_at(typed: str, *, here: bool) -> str:
    """A URL as it is, a path made absolute; where it isn't `here`, only its daemon can say whether it exists."""
    if typed == "~" or typed.startswith("~/"):
        typed = str(Path(typed).expanduser())
    if "://" not in typed and ("/" in typed or typed.startswith(".")) and ":" not in typed and typed[0] not in "~\\":
        if here and not Path(typed).exists():
            refuse_mistake(typed)
        typed = str(Path(typed).expanduser().absolute())
    repository = parse_repository_url(typed, allow_local=True)
    if here and repository.local_path is not None and Path(repository.local_path).is_file():
        raise Refused(
            f"{repository.local_path} is a file: make a repository of it (`git clone FILE FOLDER`) and give that"
        )
    if here and repository.local_path is not None and not Path(repository.local_path).is_dir():
        raise Refused(f"there is no folder {repository.local_path}: --repo takes a URL or the path of a git repository")
    return repository.text


def _timings(typed: str) -> Timings:
    known = {"normal": Timings(), "fast": Timings.fast()}
    if typed not in known:
        raise Refused(f"--timings is one of {', '.join(known)}")
    return known[typed]


def _given_plan(file: Path | None, agents: StepAgents) -> tuple[Step, ...]:
    if file is None:
        return ()
    document = read_given("--plan", file, LONGEST_PLAN_FILE)
    try:
        planned = read_plan_file(file.name, document)
        return add_steps(PlanChanges(), planned, generation=1, known=(), new_id=uuid4, agents=agents).add
    except PlanRefused as refusal:
        raise Refused(f"--plan {file}: {refusal}") from refusal
