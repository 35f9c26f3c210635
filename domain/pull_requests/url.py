"""A pull request that was opened by hand, by its address (rules 3.2, 8.2): an operator names it, an agent only says."""

from __future__ import annotations

import re

from domain.change import Draft
from domain.events import EventName
from domain.models import State, Task
from domain.names import directive_branch
from domain.pull_request import PullRequest, PullRequestState

_ADDRESS = re.compile(
    r"https?://(?:[^/@\s]*@)?(?P<host>[^/\s]+)/(?P<path>[^\s?#]+?)/(?:-/)?(?:pull|pulls|merge_requests)/(?P<number>\d{1,9})"
    r"(?:[/?#]\S*)?"
)
"""Of GitHub, Gitea and GitLab."""


def claim_pull_request(draft: Draft, task: Task, url: str) -> None:
    """An agent says where it has opened one. Its word takes over nothing: it would choose whose description is edited,
    and whose branch is pushed to. One from the directive's own branch, in its own repository, is found by that branch
    when the work is shipped (rule 7.3).
    """
    known = draft.state.pull_request
    if known is None or known.url != url:
        draft.event(EventName.PULL_REQUEST_CLAIMED, url[:500], task=task.id, step=task.step)


def name_pull_request(draft: Draft, url: str) -> None:
    """Remember the one that an operator names; one of the directive's own repository is looked after from now on, in
    place of what was known.
    """
    known, number = draft.state.pull_request, number_in(draft.state, url)
    if known is None or (number and known.number and number != known.number):
        known = _unseen(draft.state)
    named = known.model_copy(update={"url": url})
    if number and not known.number:
        # Its branch and head are what the first look brings.
        named = named.model_copy(update={"number": number, "state": PullRequestState.OPEN})
        draft.set(shepherding=draft.state.shepherding.model_copy(update={"since": draft.now}))
    draft.set(pull_request=named)
    draft.event(EventName.PULL_REQUEST_SET, url)


def is_another(state: State, url: str) -> bool:
    """Whether `url` hands over a pull request that is not the known one: it may come from anybody's branch."""
    number = number_in(state, url)
    return number > 0 and (state.pull_request is None or state.pull_request.number != number)


def number_in(state: State, url: str) -> int:
    """The number of the pull request at `url`; 0 where it isn't one of the directive's repository."""
    found = _ADDRESS.fullmatch(url)
    repository = state.directive.repository.lower().removesuffix("/").removesuffix(".git")
    if found is None or not repository.endswith(found["path"].lower()):
        return 0
    host, before = found["host"].lower(), repository.removesuffix(found["path"].lower())
    return int(found["number"]) if re.search(rf"(^|[/@]){re.escape(host.partition(':')[0])}(:\d*)?[:/]$", before) else 0


def _unseen(state: State) -> PullRequest:
    directive, known = state.directive, state.pull_request
    version = known.version + known.state.is_over if known else 1
    branch = directive_branch(directive.text.title, directive.id, version, directive.settings.prefix)
    return PullRequest(branch=branch, head="", base=directive.base_branch, version=version)
