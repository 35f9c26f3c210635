"""What a repository wants its pull requests to begin with (rule 7.4): given once, and then a person's to change."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.opening_choice import Assignees, DraftPolicy, Labels, MergeMethod, Name, OpeningChoice, Reviewers
from domain.pull_request import PullRequestWanted
from domain.value import Value

_TEMPLATE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .()-]{0,90}\.(md|txt)", re.IGNORECASE)


def _template(wanted: bool | str) -> bool | str:
    """No path: whoever names one is not led out of the folder of templates."""
    if isinstance(wanted, str) and not _TEMPLATE.fullmatch(wanted):
        raise ValueError("it takes true, false, or the name of one file in the folder of templates, as in: bug.md")
    return wanted


class OpeningPolicy(Value):
    labels: Labels = ()
    reviewers: Reviewers = ()
    assignees: Assignees = ()
    milestone: Name | None = None
    draft: DraftPolicy = DraftPolicy.UNFINISHED
    template: Annotated[bool | str, AfterValidator(_template)] = True
    """The repository's own template is filled in: the one that its forge takes by itself, or of several that of this
    name.
    """
    flaky: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    """Names of checks, or patterns, that are run once more before work is made of them."""
    rerun: bool = True
    """What looks flaky is: those, and what has failed and passed on the same commit before."""
    auto_merge: MergeMethod | None = None
    """How the forge merges it by itself once its own rules are met; None: it doesn't."""
    update: bool = True
    """One that can't be merged for nothing but that is brought up to date with the base branch."""
    resolve: bool = True
    """A conversation is resolved once what it asks for is done."""

    @property
    def gives_something(self) -> bool:
        return bool(self.labels or self.reviewers or self.assignees or self.milestone)

    def with_choice(self, choice: OpeningChoice | None) -> OpeningPolicy:
        """As whoever has started the directive wants it, where that was said."""
        said = {name: value for name, value in choice or () if value}
        return self.model_copy(update=said) if said else self

    def applied_to(self, wanted: PullRequestWanted) -> PullRequestWanted:
        """`wanted` as a draft or not: what is there stays as people have left it, where steps don't decide. Its answers
        leave conversations open where the repository wants that.
        """
        if not self.resolve:
            left = tuple(each.model_copy(update={"settles": False}) for each in wanted.replies)
            wanted = wanted.model_copy(update={"replies": left})
        if self.draft is DraftPolicy.UNFINISHED:
            return wanted
        return wanted.model_copy(update={"draft": self.draft is DraftPolicy.ALWAYS, "keep_draft": True})
