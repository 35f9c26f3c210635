"""`start --issue`: what a forge's issue asks for becomes the directive's goal (rule 7.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from temporalio.client import Client

from activities.issues import issue_by_daemon
from domain.errors import Refused
from domain.intake.goal import goal_of, title_of
from domain.intake.issue import IssueNamed, IssueRead, IssueStanding
from domain.intake.state import directive_of_issue
from domain.issues import IssueAddress, issue_address
from domain.models import State
from domain.visible import visible
from steering.directives import Directives
from steering.new_directive import StartOptions

Agree = Callable[[str, IssueRead], None]

_WRONG = {
    IssueStanding.CLOSED: "is closed: open it again, or say the goal yourself with --goal",
    IssueStanding.GONE: "is not there, or the daemon's token may not see it: look at its address",
    IssueStanding.MOVED: "was transferred: give its new address",
    IssueStanding.PULL_REQUEST: "is a pull request: `set-pr` hands one over, and --goal says what is wanted",
}


async def with_issue(options: StartOptions, client: Client, owner: str, agree: Agree) -> StartOptions:
    """The options with what the issue says; Refused where that doesn't count, or is no issue that is open.
    `agree` raises, or has a person read a text of somebody else's.
    """
    if not options.issue:
        return options
    address = checked_address(options)
    named = IssueNamed(owner=owner, repository=address.repository, number=address.number)
    issue = await issue_by_daemon(client, named)
    where = f"{address.path}#{issue.number}"
    if wrong := _WRONG.get(issue.standing):
        raise Refused(f"{where} {wrong}{f': {visible(issue.url)}' if issue.url else ''}")
    if issue.unheard_text and not options.yes:
        agree(f"the text of {where} doesn't count by itself ({issue.unheard_text})", issue)
    return replace(
        options,
        title=options.title or title_of(issue),
        goal=goal_of(issue),
        repo=options.repo or address.repository,
        closes=list(dict.fromkeys([*(options.closes or ()), options.issue])),
        issue=None,
    )


def of_issue(draft: State, issue: str) -> State:
    """With the id that follows from the issue: an intake takes it no second time."""
    address = issue_address(issue)
    identity = directive_of_issue(draft.directive.owner, address.repository, address.number)
    return draft.model_copy(update={"directive": draft.directive.model_copy(update={"id": identity})})


async def refuse_known(directives: Directives, draft: State, issue: str) -> None:
    """Refused where the issue has become a directive already, under whatever title: only the record knows. While it
    is away nothing is started (NotReachable, RecordError): the work could be done twice.
    """
    if known := await directives.record.directive(directives.owner, draft.directive.id):
        raise Refused(
            f"{visible(issue)} is {known.workflow_id} already ({known.status}): go on with that one by `goal`, "
            "`replan` or `retry-step`, or begin another one with --goal and --closes"
        )


def checked_address(options: StartOptions) -> IssueAddress:
    if options.goal is not None or options.goal_file is not None:
        raise Refused("--issue is the goal: leave --goal away, or name the issue by --closes alone")
    return issue_address(options.issue or "")


def not_agreed(what: str, _: IssueRead) -> NoReturn:
    """Where nobody can be asked."""
    raise Refused(f"{what}: read it, and agree to it as it is now with --yes, or say the goal with --goal")
