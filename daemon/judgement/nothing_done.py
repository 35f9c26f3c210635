"""There is work, or a declaration that none was needed (rule 6.9)."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.judgement.examined import Examined
from daemon.judgement.fault import Fault, fault
from domain.failures import Failure, FailureCategory

_REMEDY = (
    "Do what the task asks for. If nothing has to be changed, say so (`makima directive done --nothing-to-do REASON`), "
    "also where the commits are wanted as they are."
)


def without_a_commit(denied: Sequence[str]) -> Failure:
    """What the end without a commit and without a word means; `denied`: what the agent was not allowed to do. Pure."""
    report = "the agent left no change, and did not say that nothing had to be changed"
    if denied:
        return Failure(category=FailureCategory.DENIED, report=f"{report}; denied: {'; '.join(denied)}")
    return Failure(category=FailureCategory.NO_RESULT, report=report)


async def without_a_change(work: Examined) -> Fault | None:
    """Commits after which every file is as it was. Raises GitError."""
    trees = (await work.cache.local("rev-parse", f"{work.began}^{{tree}}", f"{work.head}^{{tree}}")).text.split()
    if work.head == work.began or trees[0] != trees[1]:
        return None
    wrong = "your commits change no file, and you did not say that nothing had to be changed"
    return fault(FailureCategory.NO_RESULT, wrong, _REMEDY)
