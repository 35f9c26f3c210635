"""Secrets in the commits of finished work go back to its agent, and in the end to a person."""

from __future__ import annotations

from daemon.judgement.asking import answered, asked
from daemon.judgement.examined import Examined
from daemon.judgement.fault import Fault, fault, named
from daemon.secrets.secret_search import SECONDS, scan
from domain.failures import FailureCategory
from domain.questions import AGAIN, GIVE_UP, SECRET_CHOICES
from domain.spawn_task import Outcome, SpawnTask, failed

_QUESTION = """\
This was found in the work of {name!r}, and nothing of it has left the machine: its branch isn't pushed, its checkpoint
is without it. If it is a secret, replace it where it came from. If it is none, name the file or the hash in
`allow_secrets`, in the daemon's settings (and restart it) or in .makima.toml on the base branch. With {again!r} the
agent goes on."""

_REMEDY = (
    "Take it out of the history of your work, not only of its end: every commit of yours is pushed. For instance "
    "`git reset --soft {began}`, then take it out of the files (`git rm --cached FILE`, an entry in .gitignore, a "
    "variable of the environment in its place) and commit anew. If it is an example, write one that no real one looks "
    "like."
)


async def added_secrets(work: Examined, within: float = SECONDS) -> Fault | None:
    """What looks like a secret in a commit of the work; or that not all was looked through in `within` seconds."""
    found = await scan(work.cache, work.head, work.parents, work.allowed, within)
    if found.is_clean:
        return None
    if not found.hits:
        wrong = f"the work adds more than can be looked through for secrets in {within:g} s"
        return fault(FailureCategory.SECRET, wrong, "Leave out what doesn't belong into a repository, also before.")
    wrong = f"what looks like a secret is in your commits: {named([str(hit) for hit in found.hits])}"
    return fault(FailureCategory.SECRET, wrong, _REMEDY.format(began=work.began))


def asked_about(command: SpawnTask, found: Fault) -> Outcome:
    """What an attempt waits for whose agent leaves a secret in its commits: a person."""
    question = _QUESTION.format(name=command.step_name or command.name, again=AGAIN)
    return asked(command, f"{found.report}.\n{question}", SECRET_CHOICES)


def given_up(command: SpawnTask) -> Outcome | None:
    """The end of an attempt of which a person has said so."""
    if all(each.answer != GIVE_UP for each in answered(command, SECRET_CHOICES)):
        return None
    return failed(
        command, FailureCategory.SECRET, "what looks like a secret is in its commits, and a person gave it up"
    )
