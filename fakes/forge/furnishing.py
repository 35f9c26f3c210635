"""What a pull request is given beside its texts: labels, assignees, and who is asked for a review."""

from __future__ import annotations

from collections.abc import Sequence

from fakes.forge.api_errors import refused
from fakes.forge.records import Pull, now
from fakes.forge.store import Repository


async def changed_pull(repository: Repository, pull: Pull, **fields: object) -> Pull:
    async with repository.changing():
        newest = repository.record.pull(pull.number)
        assert newest is not None
        changed = newest.model_copy(update={**fields, "updated_at": now()})
        repository.record = repository.record.with_pull(changed)
        return changed


async def give_labels(repository: Repository, pull: Pull, labels: Sequence[str]) -> Pull:
    """One that nobody has made is made (GitHub's REST, from memory)."""
    async with repository.changing():
        known = dict.fromkeys((*repository.record.labels, *labels))
        repository.record = repository.record.with_changes(labels=tuple(known))
    return await changed_pull(repository, pull, labels=tuple(dict.fromkeys((*pull.labels, *labels))))


async def ask_for_reviews(
    repository: Repository, pull: Pull, people: Sequence[str], teams: Sequence[str], *, beside: bool = True
) -> Pull:
    """Answered with 422 for who can't be asked; `beside`: those who are asked already stay so."""
    record = repository.record
    if any(each.lower() == pull.author.lower() for each in people):
        raise refused("PullRequest", "Review cannot be requested from pull request author.")
    unknown_team = any(each not in record.teams for each in teams)
    if unknown_team or not all(map(record.role, people)):
        message = "Reviews may only be requested from collaborators. One or more of the users or teams you specified is"
        raise refused("PullRequest", f"{message} not a collaborator of the {record.full_name} repository.")
    stay = (pull.reviewers, pull.team_reviewers) if beside else ((), ())
    return await changed_pull(
        repository,
        pull,
        reviewers=tuple(dict.fromkeys((*stay[0], *people))),
        team_reviewers=tuple(dict.fromkeys((*stay[1], *teams))),
    )
