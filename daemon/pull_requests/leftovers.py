"""What ended directives have left on a remote (rule 9.8): found by the record, and removed under a lease."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from daemon.forges.port import Forge
from daemon.forges.registry import NoForge
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import in_all_places
from daemon.pull_requests.tidying import commits_of, delete, fetch_refs, not_held, parts, task_in, work_of
from domain.errors import BaseBranchMissing, ForgeRefused, ForgeUnreachable
from domain.names import short
from domain.pull_request import PullRequest
from domain.remote_leftovers import EndedDirective, RemoteFound, RemoteLeftover, RemoteWanted
from domain.tidied import Tidying

_HEADS = "refs/heads/"
_END = re.compile(r"-([0-9a-f]{8})(-v\d+)?$")


async def look_or_remove(cache: RepositoryCache, forge: Forge, wanted: RemoteWanted) -> RemoteFound:
    """What there is; of what is to be removed, that which is still as it was listed, and may go, is.

    Raises RepositoryError, GitUnreachable, GitError; may be called again.
    """
    found = await _look(cache, forge, wanted)
    if wanted.remove is None:
        return RemoteFound(found=found)
    going = {each.ref: each.commit for each in found if not each.stays and wanted.remove.get(each.ref) == each.commit}
    for part in parts(going):
        await delete(cache, {ref: going[ref] for ref in part})
    left = await cache.listed(*_patterns(wanted))
    return RemoteFound(found=found, removed=tuple(ref for ref in going if ref not in left))


def _patterns(wanted: RemoteWanted) -> tuple[str, ...]:
    branches = {f"{_HEADS}{each.name}" for directive in wanted.directives for each in directive.branches}
    return (*in_all_places("outcomes/*"), *in_all_places("checkpoints/*"), *branches)


async def _look(cache: RepositoryCache, forge: Forge, wanted: RemoteWanted) -> tuple[RemoteLeftover, ...]:
    await cache.fetch()
    there = await cache.listed(*_patterns(wanted))
    needed = set(wanted.needed)
    with suppress(BaseBranchMissing):
        needed.add(await cache.default_branch())
    into = await _merged_into(forge, wanted.open_pull_requests, there)
    found: list[RemoteLeftover] = []
    for directive in wanted.directives:
        found += await _of(cache, forge, wanted, directive, there, needed)
    return tuple(
        each.model_copy(update={"stays": into[each.ref]}) if each.ref in into and not each.stays else each
        for each in found
    )


async def _merged_into(forge: Forge, recorded: Iterable[PullRequest], there: Mapping[str, str]) -> dict[str, str]:
    """Branch's ref → why it stays: a forge closes a pull request whose base is deleted. The record knows of no merge
    after its directive's end: then the forge is asked.
    """
    into: dict[str, str] = {}
    for known in recorded:
        ref = f"{_HEADS}{known.base}"
        if ref not in there or ref in into:
            continue
        try:
            now = await forge.read(known)
        except (ForgeRefused, ForgeUnreachable) as error:
            into[ref] = f"whether {known.url}, which is to be merged into it, is open can't be asked: {error}"
            continue
        if not now.state.is_over:
            into[ref] = f"a pull request that is open is to be merged into it: {known.url}"
    return into


async def _of(
    cache: RepositoryCache,
    forge: Forge,
    wanted: RemoteWanted,
    directive: EndedDirective,
    there: Mapping[str, str],
    needed: set[str],
) -> list[RemoteLeftover]:
    recorded = {f"{_HEADS}{each.name}": each.commits for each in directive.branches if _is_named(each.name, directive)}
    tasks = {str(task) for task in directive.tasks}
    mine = {ref: commit for ref, commit in there.items() if ref in recorded or task_in(ref) in tasks}
    await fetch_refs(cache, [ref for ref in mine if task_in(ref)])
    work = await work_of(cache, await commits_of(cache, mine))
    tidying = Tidying(
        owner=wanted.owner,
        directive=directive.id,
        repository=wanted.repository,
        base_branch=directive.base_branch or await cache.default_branch(),
        pull_requests=directive.pull_requests,
    )
    missing = await not_held(cache, {commit for commits in work.values() for commit in commits}, tidying)
    found = []
    for ref, commit in mine.items():
        stays = "" if ref in work else "it is no commit, and was put there by somebody else"
        if not stays and not task_in(ref):
            stays = await _branch_stays(forge, ref.removeprefix(_HEADS), commit, recorded[ref], needed, tidying)
        found.append(
            RemoteLeftover(
                ref=ref,
                commit=commit,
                directive=directive.id,
                title=directive.title,
                is_work=bool(missing.intersection(work.get(ref, ()))),
                stays=stays,
            )
        )
    return found


def _is_named(branch: str, directive: EndedDirective) -> bool:
    """Whether Makima has named it; of a pull request that was taken over a person's own branch is recorded, too."""
    known = {short(each) for each in (directive.id, *directive.tasks)}
    end = _END.search(branch)
    return bool(end and end[1] in known)


async def _branch_stays(
    forge: Forge, branch: str, commit: str, recorded: tuple[str, ...], needed: set[str], tidying: Tidying
) -> str:
    """Why the branch must not go; empty: it may."""
    if branch in needed:
        return "work starts from it"
    if commit not in recorded:
        return f"it is at {commit[:10]}, where the record has never known it: somebody has pushed to it"
    try:
        made = await forge.find(branch, tidying.base_branch)
    except (ForgeRefused, ForgeUnreachable) as error:
        return f"whether a pull request of it is open can't be asked: {error}"
    made = made or next((each for each in tidying.pull_requests if each.branch == branch), None)
    if made and made.number and not made.state.is_over:
        return f"its pull request is open: {made.url}"
    by_hand = forge.compare_url(branch, tidying.base_branch) if type(forge) is NoForge else ""
    return f"somebody may have opened a pull request of it, and nobody can be asked: {by_hand}" if by_hand else ""
