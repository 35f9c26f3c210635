"""Every name that more than one part must agree on: branches, refs, ids, queues. One function for every use."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from uuid import UUID, uuid5

from domain.errors import Refused
from domain.visible import visible

_TASKS = UUID("6e3b9f6c-3a2e-4f0e-9a51-7f4c3d1b8a90")
"""The name space of task ids (rule 5.1): a task's id is a function of what it is for, not chance."""

OUTSIDE_A_NAME = re.compile(r"[^a-z0-9_-]+")
LONGEST_NAME = 50
LONGEST_BRANCH = 244
"""Bytes: what a file system takes as a name, less git's `.lock` and a little."""


def sanitized(text: str) -> str:
    """`text` as a part of a branch or workflow id: never empty, at most 50 of `[a-z0-9_-]` (rule 6.3)."""
    dashed = re.sub(r"-+", "-", OUTSIDE_A_NAME.sub("-", text.lower()))
    return dashed.strip("-")[:LONGEST_NAME].strip("-") or "unnamed"


def short(identity: UUID) -> str:
    """The first 8 hex digits of an id, which stand for it wherever a person reads it."""
    return identity.hex[:8]


PREFIX = "makima/"
"""What our branches begin with, unless the directive or its repository says otherwise."""
_PREFIX = re.compile(r"(?!refs/|makima-state)(?:[A-Za-z0-9_][A-Za-z0-9._-]*/)*[A-Za-z0-9_][A-Za-z0-9._-]*/?")
LONGEST_PREFIX = 60


def branch_prefix(text: str) -> str:
    """`text`, if branches may begin with it (empty: it is not said); ValueError."""
    spoilt = ".." in text or ".lock/" in text or "./" in text or text.endswith(".")
    if text and (len(text) > LONGEST_PREFIX or spoilt or not _PREFIX.fullmatch(text)):
        raise ValueError(f"{text[:LONGEST_PREFIX]!r} can't begin a branch's name; one that can is feature/")
    return text


def task_branch(task_name: str, task: UUID, prefix: str = PREFIX) -> str:
    """The branch of a task over all its attempts (rule 6.3)."""
    return f"{prefix}{sanitized(task_name)}-{short(task)}"


def directive_branch(title: str, directive: UUID, version: int = 1, prefix: str = PREFIX) -> str:
    """The branch that a directive's pull request comes from (rule 7.1), the `version`-th one's (rule 7.3)."""
    later = f"-v{version}" if version > 1 else ""
    return f"{prefix}directive-{sanitized(title)}-{short(directive)}{later}"


_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|\.lock(/|$)|[/.]$|^@$|^refs/|^HEAD$")


def is_branch(name: str) -> bool:
    """Whether git takes it as a branch's (git check-ref-format)."""
    return bool(name) and len(name.encode(errors="replace")) <= LONGEST_BRANCH and not _NO_BRANCH.search(name)


def check_branch(name: str) -> str:
    """`name`, if git takes it as a branch's; Refused."""
    if not is_branch(name):
        raise Refused(f"{name!r} is not a branch's name")
    return name


def workflow_id(title: str, directive: UUID) -> str:
    """The id of a directive's workflow; the Web UI shows only this as a headline and in lists (rule 9.2)."""
    return f"directive-{sanitized(title)}-{short(directive)}"


@lru_cache(maxsize=4096)
def step_task(step: UUID) -> UUID:
    """The id of the one task that does a step."""
    return uuid5(_TASKS, f"step:{step}")


def directive_task(directive: UUID, kind: str, generation: int, round_: int) -> UUID:
    """The id of a planning, prepare or completion task."""
    return uuid5(_TASKS, f"{kind}:{directive}:{generation}:{round_}")


def planned_step(planning_task: UUID, name: str) -> UUID:
    """The id of a step that a planning task adds; its name is unique in a plan. An agent can't give it that of another
    directive's step, whose task and outcome it would take for its own."""
    return uuid5(planning_task, f"step:{name}")


def fix_step(directive: UUID, kind: str, findings: tuple[str, ...]) -> UUID:
    """The id of the step that mends these findings: seen twice, they are mended once."""
    return uuid5(_TASKS, "\n".join(["fix", str(directive), kind, *findings]))


def step_again(step: UUID) -> UUID:
    """The id of the step that does what this one was to do, which was removed before it could."""
    return uuid5(step, "again")


def activity_id(kind: str, task: UUID, attempt: int, dispatch: int) -> str:
    """The id of the activity that runs an attempt for the `dispatch`-th time, the same on every replay."""
    return f"{kind}-{short(task)}-{attempt}.{dispatch}"


_ACTIVITY_ID = re.compile(r"(?P<kind>[a-z]+)-(?P<task>[0-9a-f]{8})-[0-9]+\.[0-9]+")


def activity_task(identity: str) -> tuple[str, str] | None:
    """Kind and the short id of the task whose attempt an activity runs; None for every other activity."""
    found = _ACTIVITY_ID.fullmatch(identity)
    return (found["kind"], found["task"]) if found else None


WATCH, TIDY = "watch", "tidy"
"""What an activity beside the tasks does, at the beginning of its id: look at the pull request, tidy up after it."""


def beside_tasks(identity: str) -> str:
    """Which of these two an activity is; empty for every other one."""
    kind = identity.partition("-")[0]
    return kind if kind in (WATCH, TIDY) else ""


def delivery(run_id: str, activity: str, temporal_attempt: int) -> str:
    """8 hex digits that no other start of any attempt on any machine has (design 9)."""
    return hashlib.sha256(f"{run_id}/{activity}/{temporal_attempt}".encode()).hexdigest()[:8]


def step_name_line(name: str) -> str:
    """A name as one line of at most 100 characters, for summaries."""
    return visible(" ".join(name.split()))[:100]


DIRECTIVES_QUEUE = "directives"
"""Workflow and ledger activities: worker.py."""

TELEMETRY_QUEUE = "telemetry"
"""Log chunks and the daemons' reports, with slots of their own (design 4): worker.py."""


def daemons_queue(owner: str, prefix: str = "") -> str:
    """Any daemon of an owner; `prefix` AUTHENTICATED: any that knows secrets, here and below."""
    return f"{prefix}daemons/{owner}"


def light_queue(owner: str) -> str:
    """Any daemon of an owner, for what needs no agent: `prepare` and `watch_pull_request` (design 10)."""
    return f"daemon-light/{owner}"


def label_queue(owner: str, label: str, prefix: str = "") -> str:
    """Any daemon of an owner that has a label."""
    return f"{prefix}daemons/{owner}/{label}"


def daemon_queue(owner: str, daemon: str, prefix: str = "") -> str:
    """One daemon of an owner."""
    return f"{prefix}daemon/{owner}/{daemon}"


def presence_queue(owner: str, daemon: str) -> str:
    """Where one daemon shows that it is there, also while all its slots are taken."""
    return f"presence/{owner}/{daemon}"


AUTHENTICATED = "authenticated/"
"""Begins the names of queues for commands with a secret: daemons that don't know secrets don't poll there."""

TASK_FOLDER = "MAKIMA_TASK_DIR"
"""The variable that names an agent's task folder to its commands."""
