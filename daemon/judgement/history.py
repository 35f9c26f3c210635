"""Whether the work still holds what it was built on (rule 6.4)."""

from __future__ import annotations

from daemon.judgement.examined import Examined
from daemon.judgement.fault import Fault, fault
from domain.failures import FailureCategory

_MERGE = "Bring it back with `git merge {commit}`, and don't reset, rebase or amend past it."
_UNRELATED = (
    "Your files can be put on top of it: `git reset --soft {commit}`, then look at `git diff --cached --stat` (what "
    "you did not mean to delete has to be there; `git checkout {commit} -- PATH` brings it back) and `git commit`."
)


async def lost_history(work: Examined) -> Fault | None:
    """The first commit that the work must hold and doesn't."""
    for one in work.held:
        if await work.cache.holds(work.head, one.commit):
            continue
        shared = await work.cache.local("merge-base", one.commit, work.head, also=(1,))
        if shared.exit_code == 0:
            wrong, remedy = f"{one.name!r} ({one.commit}) is not in the history of the work", _MERGE
        else:
            wrong, remedy = f"the work has no commit in common with {one.name!r} ({one.commit})", _UNRELATED
        return fault(FailureCategory.HISTORY, wrong, remedy.format(commit=one.commit))
    return None
