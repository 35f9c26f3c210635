"""The picture of a pull request ends when the facts do (rule 7.5): what holds no more is not asked, nor worked on."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from domain.asking import Topic, asked_now, settle_topic
from domain.change import Draft
from domain.events import EventName
from domain.pull_request import FindingSource
from domain.questions import open_questions, settle
from domain.statuses import StepStatus

OVER = "the pull request is over"
ENDED = "it has ended by itself"
"""The answer of a question whose occasion is gone: a check has passed, a request was withdrawn."""


def end_with(draft: Draft, standing: Collection[str], *, is_news_again: bool) -> None:
    """End the questions and the fixes that have not begun whose findings are all gone; `standing`: those that hold.

    A fix that runs goes on to its end: what it does is paid for, and may be right. `is_news_again`: so is what holds
    again after it had ended, as a check does that was run again and fails again.
    """
    shepherding = draft.state.shepherding
    held = tuple(each for each in shepherding.held if each in standing)
    if shepherding.held and not held and asked_now(draft.state, Topic.ROUNDS):
        settle_topic(draft, Topic.ROUNDS, ENDED)
    ended = {each for each in shepherding.seen if FindingSource.CHECK.began(each) and each not in standing}
    about = {question.id: shepherding.asked_about.get(question.id) for question in open_questions(draft.state)}
    for question in open_questions(draft.state):
        if (findings := about[question.id]) and _are_gone(findings, standing):
            settle(draft, question, ENDED, "makima")
            ended.update(findings)
    still = {question.id for question in open_questions(draft.state)}
    asked_about = {asked: findings for asked, findings in shepherding.asked_about.items() if asked in still}
    draft.set(shepherding=draft.state.shepherding.model_copy(update={"held": held, "asked_about": asked_about}))
    taken_back = _take_back_fixes(draft, standing)
    _forget(draft, taken_back | ended if is_news_again else taken_back)


def _take_back_fixes(draft: Draft, standing: Collection[str]) -> set[str]:
    """Those that have not begun; gives what they were to mend."""
    taken_back: set[str] = set()
    for step in list(draft.state.steps.values()):
        if step.fix and step.status.is_unstarted and step.fix.findings and _are_gone(step.fix.findings, standing):
            draft.step(step.id, status=StepStatus.CANCELLED, removed=True, blocked_by=())
            draft.event(EventName.STEP_REMOVED, "what it was to mend has ended by itself", step=step.id)
            taken_back.update(step.fix.findings)
    return taken_back


def _forget(draft: Draft, ended: Collection[str]) -> None:
    shepherding = draft.state.shepherding
    seen = tuple(each for each in shepherding.seen if each not in ended)
    draft.set(shepherding=shepherding.model_copy(update={"seen": seen}))


def end_all(draft: Draft) -> None:
    """The pull request is over, whatever was to be mended in it."""
    for topic in (Topic.ROUNDS, Topic.NO_AGENT, Topic.ACTION, Topic.TROUBLE):
        settle_topic(draft, topic, OVER)
    nothing: dict[str, object] = {"held": (), "asked_about": {}, "failing": (), "blocked": ()}
    draft.set(shepherding=draft.state.shepherding.model_copy(update=nothing))


def settle_closed(draft: Draft, version: int, answer: str) -> None:
    """The pull request of this version is no longer closed."""
    for question in asked_now(draft.state, Topic.CLOSED):
        if question.topic == f"{Topic.CLOSED}:{version}":
            settle(draft, question, answer, "makima")


def _are_gone(findings: Iterable[str], standing: Collection[str]) -> bool:
    return not any(each in standing for each in findings)
