"""What may become of a pull request: opened, changed, following its branches."""

from __future__ import annotations

from dataclasses import dataclass

from fakes.forge.api_errors import Answered, invalid, refused
from fakes.forge.bare_git import BareRepository
from fakes.forge.closing import with_merged
from fakes.forge.merge_records import MergeTurn, QueueEntry, Turned
from fakes.forge.queue_leaving import stale_entries, without_entry
from fakes.forge.records import Pull, PullState, RepositoryRecord, now
from fakes.forge.store import Repository

TITLE_LIMIT, BODY_LIMIT = 256, 65_536
"""GitHub's own, in characters."""


@dataclass(frozen=True)
class PullWanted:
    title: str
    head: str
    """A branch, or owner:branch."""
    base: str
    body: str = ""
    draft: bool = False
    draft_mark: str = ""
    head_repository: str = ""
    """The fork that it comes from; its `head` there is at a commit that this repository knows by the branch's name."""


@dataclass(frozen=True)
class PullChange:
    """What is None stays as it is."""

    title: str | None = None
    body: str | None = None
    state: PullState | None = None
    base: str | None = None
    draft: bool | None = None
    draft_mark: str | None = None


async def follow_branches(repository: Repository) -> RepositoryRecord:
    """Bring open pull requests up to where their branches are now, however those were pushed; gives the record."""
    branches = await repository.git.branches()
    if any(_has_moved(pull, branches) for pull in repository.record.pulls):
        async with repository.changing():
            branches = await repository.git.branches()
            repository.record = _retargeted(repository.record, branches)
            for pull in repository.record.pulls:
                if _has_moved(pull, branches):
                    followed = await _follow(repository.git, pull, branches)
                    add = with_merged if followed.merged_at else RepositoryRecord.with_pull
                    repository.record = add(repository.record, followed)
    if stale_entries(repository.record):
        async with repository.changing():
            for entry in stale_entries(repository.record):
                await _dequeue(repository, entry)
    return repository.record


async def _dequeue(repository: Repository, entry: QueueEntry) -> None:
    """Its branch was pushed to, or it is closed."""
    pull = repository.record.pull(entry.number)
    assert pull is not None
    who = pull.author if pull.head_sha == entry.head else await _pusher(repository.git, pull.head_sha)
    repository.record = without_entry(repository.record, entry, who, None)
    await repository.git.delete(f"refs/heads/{entry.branch}")


async def _pusher(git: BareRepository, head: str) -> str:
    """Whoever has pushed is taken to be whoever has committed."""
    return (await git.commit(head)).committer.name.lower()


async def open_pull(repository: Repository, wanted: PullWanted, author: str) -> Pull:
    """Open a pull request; Answered with 422 for what GitHub refuses."""
    await follow_branches(repository)
    async with repository.changing():
        record = repository.record
        head = branch_of(record, wanted.head)
        _check_texts(wanted.title, wanted.body)
        shas = await repository.git.branches()
        for field, branch in (("head", head), ("base", wanted.base)):
            if branch not in shas:
                raise invalid("PullRequest", field)
        if not wanted.head_repository:
            _check_is_only_one(record, head, wanted.base)
        if not await repository.git.commits(shas[wanted.base], shas[head]):
            raise refused("PullRequest", f"No commits between {wanted.base} and {head}")
        number = record.next_number
        moment = now()
        pull = Pull(
            number=number, id=record.next_id, title=wanted.title, body=wanted.body, author=author, draft=wanted.draft,
            draft_mark=wanted.draft_mark,
            head=head, head_repository=wanted.head_repository, base=wanted.base, head_sha=shas[head],
            base_sha=shas[wanted.base], base_seen=shas[wanted.base], created_at=moment,
            updated_at=moment,
        )  # fmt: skip
        await _keep_head(repository.git, pull)
        repository.record = record.with_changes(last_id=record.last_id + 1).with_pull(pull)
        return pull


async def change_pull(repository: Repository, number: int, change: PullChange) -> Pull:
    """Change what can be changed of a pull request; Answered with 422 for what GitHub refuses."""
    async with repository.changing():
        pull = repository.record.pull(number)
        assert pull is not None
        _check_texts(change.title if change.title is not None else pull.title, change.body or "")
        if change.base is not None and change.base != pull.base:
            pull = await _with_base(repository, pull, change.base)
        if change.state is not None and change.state is not pull.state:
            pull = await _with_state(repository, pull, change.state)
        texts = {"title": change.title, "body": change.body, "draft": change.draft, "draft_mark": change.draft_mark}
        fields = {name: value for name, value in texts.items() if value is not None}
        pull = pull.model_copy(update={**fields, "updated_at": now()})
        repository.record = repository.record.with_pull(pull)
        return pull


def branch_of(record: RepositoryRecord, head: str) -> str:
    """The branch in `owner:branch`; forks are opened from by the control API alone."""
    owner, colon, branch = head.rpartition(":")
    if colon and owner.lower() != record.owner.lower():
        raise invalid("PullRequest", "head")
    return branch


def closed(pull: Pull) -> Pull:
    moment = now()
    return pull.model_copy(
        update={"state": PullState.CLOSED, "closed_at": moment, "updated_at": moment, "auto_merge": None}
    )


def merged(pull: Pull, commit: str, by: str | None) -> Pull:
    done = closed(pull)
    return done.model_copy(
        update={"merged_at": done.closed_at, "merged_by": by, "merge_commit_sha": commit, "draft": False}
    )


def _head_of(pull: Pull, branches: dict[str, str]) -> str | None:
    """Where its branch is; a fork's stays where it was when it was opened."""
    return pull.head_sha if pull.head_repository else branches.get(pull.head)


def _has_moved(pull: Pull, branches: dict[str, str]) -> bool:
    stands = (_head_of(pull, branches), branches.get(pull.base))
    return pull.is_open and stands != (pull.head_sha, pull.base_sha)


def _retargeted(record: RepositoryRecord, branches: dict[str, str]) -> RepositoryRecord:
    """As GitHub does: what is to be merged into a branch that was merged itself, and deleted, goes where that went."""
    for pull in record.pulls:
        parents = [each for each in record.pulls if each.head == pull.base and each.merged_at]
        if pull.is_open and pull.base not in branches and parents and parents[-1].base in branches:
            base = parents[-1].base
            record = record.with_pull(pull.model_copy(update={"base": base, "updated_at": now()}))
    return record


async def rename_branch(repository: Repository, old: str, new: str) -> None:
    """Rename it, with its place as default branch and base of open pull requests; Answered for what GitHub refuses."""
    async with repository.changing():
        branches = await repository.git.branches()
        if old not in branches:
            raise Answered(404, "Branch not found")
        if new in branches:
            raise refused("Branch", f"A branch named {new!r} already exists")
        await repository.git.run("branch", "-m", old, new)
        for pull in repository.record.pulls:
            if pull.is_open and pull.base == old:
                renamed = pull.model_copy(update={"base": new, "updated_at": now()})
                repository.record = repository.record.with_pull(renamed)


async def _follow(git: BareRepository, pull: Pull, branches: dict[str, str]) -> Pull:
    head, base = _head_of(pull, branches), branches.get(pull.base)
    if base and await git.is_ancestor(head or pull.head_sha, base):
        # Somebody merged it by hand and pushed the base branch, or has set its branch back to where nothing is in it.
        if not await git.is_ancestor(pull.head_sha, base):
            return closed(pull)
        kept = pull.model_copy(update={"head_sha": head or pull.head_sha})
        await _keep_head(git, kept)
        return merged(kept, base, None)
    if head is None or base is None:
        return closed(pull)
    pushed = (
        {"head_sha": head, "base_seen": base, "updated_at": now(), **await _dropped(git, pull, head)}
        if head != pull.head_sha
        else {}
    )
    moved = pull.model_copy(update={"base_sha": base, **pushed})
    await _keep_head(git, moved)
    return moved


async def _dropped(git: BareRepository, pull: Pull, head: str) -> dict[str, object]:
    """What a push ends; that is told of whoever has pushed."""
    if not (pull.auto_merge and pull.auto_merge.ends_with_push):
        return {}
    turn = MergeTurn(user=await _pusher(git, head), what=Turned.DROPPED, at=now())
    return {"auto_merge": None, "turns": (*pull.turns, turn)}


async def _keep_head(git: BareRepository, pull: Pull) -> None:
    # Its commits stay readable when the branch is deleted, and anybody can fetch them.
    await git.run("update-ref", f"refs/pull/{pull.number}/head", pull.head_sha)


async def _with_base(repository: Repository, pull: Pull, base: str) -> Pull:
    shas = await repository.git.branches()
    if base not in shas:
        raise invalid("PullRequest", "base")
    if not pull.is_open:
        raise refused("PullRequest", "Cannot change the base branch of a closed pull request.")
    _check_is_only_one(repository.record, pull.head, base)
    return pull.model_copy(update={"base": base, "base_sha": shas[base], "base_seen": shas[base]})


async def _with_state(repository: Repository, pull: Pull, state: PullState) -> Pull:
    if state is PullState.CLOSED:
        return closed(pull)
    if pull.merged_at is not None:
        raise refused("PullRequest", "state cannot be changed. The pull request is merged.")
    shas = await repository.git.branches()
    if pull.head not in shas or pull.base not in shas:
        raise refused("PullRequest", f"state cannot be changed. The {pull.head} branch has been deleted.")
    _check_is_only_one(repository.record, pull.head, pull.base)
    there = {"head_sha": shas[pull.head], "base_sha": shas[pull.base]}
    return pull.model_copy(update={"state": PullState.OPEN, "closed_at": None, **there})


def _check_is_only_one(record: RepositoryRecord, head: str, base: str) -> None:
    ours = (each for each in record.pulls if not each.head_repository)
    if any(each.is_open and (each.head, each.base) == (head, base) for each in ours):
        raise refused("PullRequest", f"A pull request already exists for {record.owner}:{head}.")


def _check_texts(title: str, body: str) -> None:
    if not title.strip():
        raise invalid("PullRequest", "title", "missing_field")
    for name, text, limit in (("title", title, TITLE_LIMIT), ("body", body, BODY_LIMIT)):
        if len(text) > limit:
            message = f"{name} is too long (maximum is {limit} characters)"
            raise Answered(422, "Validation Failed", (_field_error(name, message),))


def _field_error(field: str, message: str) -> dict[str, str]:
    return {"resource": "Issue", "code": "custom", "field": field, "message": message}
