"""Work goes on as a person has decided about commits that its agent had left beside it (rule 6.9)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daemon.git.repository_cache import RepositoryCache
from daemon.git.worktrees import Incoming, Worktree
from daemon.judgement.left_commits import heads_of
from daemon.judgement.work_questions import decided_about_left
from daemon.saving.checkpoints import Checkpoint
from daemon.tasks.beginning import Beginning, conflict_report
from domain.errors import UnrelatedHistories
from domain.failures import Failure, FailureCategory
from domain.models import Question
from domain.questions import GIVE_UP, PUT_IN
from domain.spawn_task import SpawnTask


@dataclass(frozen=True)
class Going:
    """How it goes on."""

    begun: Beginning
    incoming: tuple[Incoming, ...] = ()
    """What was put in, and has to stay."""
    failure: Failure | None = None
    """Why it ends here."""


async def decided(command: SpawnTask, cache: RepositoryCache, restored: Checkpoint | None) -> Question | None:
    """What a person has answered about this very work. An agent that has gone on since has made another one of it,
    which may not be finished.
    """
    question = decided_about_left(command, restored.head) if restored else None
    if question is None or restored is None:
        return None
    trees = (f"{restored.commit}^{{tree}}", f"{restored.head}^{{tree}}")
    saved, judged = (await cache.local("rev-parse", *trees)).text.split()
    return question if saved == judged else None


async def go_on(
    question: Question, worktree: Worktree, cache: RepositoryCache, begun: Beginning, follows_prompts: bool
) -> Going:
    """Do what was answered, in the worktree, where nothing is uncommitted. No agent is needed but for a conflict."""
    beside = begun.restored.beside if begun.restored else ()
    if question.answer == GIVE_UP:
        return _failed(begun, f"a person gave it up. {question.text}")
    if question.answer != PUT_IN:
        return Going(begun)
    if not beside:
        return _failed(begun, "the commits that were to be put in may not leave the machine on which they were made")
    before, heads = await worktree.head(), await heads_of(cache, beside)
    try:
        conflict = await worktree.merge(heads)
    except UnrelatedHistories as unrelated:
        return _failed(begun, f"the commits can't be put in: {unrelated}")
    if conflict and not follows_prompts:
        await worktree.bring_back(before, await worktree.untracked())
        return _failed(begun, conflict_report(conflict))
    return Going(replace(begun, conflict=conflict or begun.conflict), heads)


def _failed(begun: Beginning, why: str) -> Going:
    return Going(begun, failure=Failure(category=FailureCategory.LEFT, report=why[:4096]))
