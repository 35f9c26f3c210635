"""What the base branch's protection wants before a pull request is merged, the same in each dialect's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fakes.forge.check_records import CheckStatus, StatusState
from fakes.forge.records import Pull, RepositoryRecord, ReviewState, Role

_WRITES = (Role.WRITE, Role.MAINTAIN, Role.ADMIN)


@dataclass(frozen=True)
class Protection:
    """Of one pull request at this moment."""

    record: RepositoryRecord
    pull: Pull
    is_behind: bool
    """The base branch has commits that its head lacks."""

    @property
    def approvals_left(self) -> int:
        """Of people who may write (from memory: nobody else's counts)."""
        words = {
            each.user: each.state
            for each in self.record.reviews
            if each.pull == self.pull.number and each.state is not ReviewState.COMMENTED
        }
        given = [user for user, state in words.items() if state is ReviewState.APPROVED and self._may_write(user)]
        return max(self.record.approvals_required - len(given), 0)

    @property
    def wants_update(self) -> bool:
        return self.record.up_to_date and self.is_behind

    def refusals(self) -> Iterator[str]:
        """Why it isn't merged now, in GitHub's words (from memory)."""
        if self.approvals_left:
            yield f"At least {self.approvals_left} approving review is required by reviewers with write access."
        for name in self.record.required_checks:
            if not self._has_passed(name):
                yield f'Required status check "{name}" has not passed.'
        if self.wants_update:
            yield "The head branch is not up to date with the base branch."

    def _has_passed(self, name: str) -> bool:
        """Of several of that name, each has to (from memory)."""
        checks = [each for each in self.record.checks_of(self.pull.head_sha) if each.name == name]
        statuses = [each for each in self.record.statuses_of(self.pull.head_sha) if each.context == name]
        passed = [each.status is CheckStatus.COMPLETED and not each.failed for each in checks]
        passed += [each.state is StatusState.SUCCESS for each in statuses]
        return bool(passed) and all(passed)

    def _may_write(self, user: str) -> bool:
        return self.record.role(user) in _WRITES
