"""The rules of looking after a pull request (rule 7.5): when it is watched, and what follows from what is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.asking import Topic, anew, ask_operator, settle_topic, topic_of
from domain.change import Change, Draft
from domain.errors import Refused
from domain.events import EventName, pull_request_is
from domain.fallbacks import fixer
from domain.models import Question, State
from domain.outcome_check import is_commit, pull_request_problems
from domain.pull_request import (
    MOST_BLOCKS,
    MOST_FINDINGS,
    MOST_UNHEARD,
    Finding,
    FindingKind,
    PullRequest,
    Sighting,
    Unheard,
    is_failed,
)
from domain.pull_requests import question_texts
from domain.pull_requests.asked import ask_about, see
from domain.pull_requests.base_branch import follow_base
from domain.pull_requests.closing import end_with, settle_closed
from domain.pull_requests.fixes import ROOMS, fix_steps, unused
from domain.pull_requests.merging import OPEN_ANOTHER, fold_over, open_another
from domain.pull_requests.seen import MAX_SEEN, capped, without_trouble
from domain.pull_requests.watching import awaits_fixes, rounds_left, wanted_watch
from domain.questions import AGAIN
from domain.shepherd_state import Shepherding
from domain.size import MAX_STATE, state_size

YES, NO = "yes", "no"
TRY_AGAIN = AGAIN
BY_HAND = "I see to it"


def fold_sighting(
    state: State, sighting: Sighting, now: datetime, *, in_parts: bool = True, is_news_again: bool = True
) -> Change:
    """What follows from what was seen; nothing, where the directive looks after another one by now, or after none.
    `in_parts`: what doesn't fit into one step is split over several; `is_news_again`: what has ended and holds again is
    dealt with again. Runs from before version 0.1 have done neither.
    """
    draft = Draft(state, now, f"daemon:{sighting.daemon}" if sighting.daemon else "makima")
    known, seen = state.pull_request, sighting.pull_request
    if known is None or wanted_watch(state) is None or known.number != seen.number:
        return draft.change()
    if problem := _problem(sighting):
        draft.event(EventName.PULL_REQUEST_NOT_WATCHED, problem[:500])
        return draft.change()
    _update(draft, known, sighting)
    if not _refuses(sighting):
        settle_topic(draft, Topic.TROUBLE, "the forge answers again")
        _set(draft, seen=without_trouble(draft.state.shepherding))
    if seen.state.is_over:
        if seen.state is not known.state:
            fold_over(draft, seen.model_copy(update={"version": known.version}), sighting.unmerged)
        return draft.change()
    if known.state.is_over:
        _open_again(draft)
    if sighting.standing is not None:
        end_with(draft, sighting.standing, is_news_again=is_news_again)
    _heed(draft, sighting, in_parts=in_parts)
    if not _refuses(sighting):
        _count_unheard(draft, sighting.unheard)
    return draft.change()


def _problem(sighting: Sighting) -> str:
    """Why nothing of it counts: names from a forge go to git. Empty: it may."""
    heads = [name for name in (sighting.base_head, *sighting.unmerged) if name and not is_commit(name)]
    wrong = [f"{name[:80]!r} is no commit's name" for name in heads]
    return next(iter([*wrong, *pull_request_problems(sighting.pull_request)]), "")


def poke(draft: Draft) -> None:
    """Look at once, also where the forge has refused us before; Refused where there is nothing to look at."""
    watch = wanted_watch(draft.state)
    if watch is None:
        raise Refused(_why_not_watched(draft.state))
    _set(draft, pokes=draft.state.shepherding.pokes + 1, seen=without_trouble(draft.state.shepherding))
    draft.event(EventName.PULL_REQUEST_POKED, watch.pull_request.url)


def answered(draft: Draft, question: Question) -> None:
    """What an operator's answer to one of Makima's own questions leads to."""
    shepherding = draft.state.shepherding
    match topic_of(question), question.answer:
        case Topic.CLOSED, answer if answer == OPEN_ANOTHER:
            open_another(draft, int(question.topic.partition(":")[2]))
        case Topic.ROUNDS, answer if answer == YES:
            more = max(draft.state.directive.settings.shepherd_rounds, 1)
            _set(draft, granted=shepherding.granted + more)
        case Topic.ROUNDS, _:
            _set(draft, seen=capped((*shepherding.seen, *shepherding.held)), held=())
        case Topic.TROUBLE, _:
            _set(draft, seen=without_trouble(draft.state.shepherding), pokes=shepherding.pokes + 1)
        case Topic.NO_AGENT, answer if answer == TRY_AGAIN:
            about = shepherding.asked_about.get(question.id, ())
            _set(draft, seen=tuple(each for each in shepherding.seen if each not in about), pokes=shepherding.pokes + 1)


def _update(draft: Draft, known: PullRequest, sighting: Sighting) -> None:
    """State, head, and what its checks and reviewers say."""
    now = sighting.pull_request.model_copy(update={"version": known.version})
    if now.state is not known.state:
        draft.event(pull_request_is(now.state), now.url or now.branch)
    if now.head != known.head:
        draft.event(EventName.PULL_REQUEST_MOVED, f"its branch is at {now.head}, {known.head or 'nothing'} was known")
    draft.set(pull_request=now)
    follow_base(draft, now)
    _set(draft, queued=sighting.queued and not now.state.is_over)
    if _refuses(sighting):
        return  # what its checks and reviewers say is not known
    if sighting.standing is not None:
        failing = [" ".join(title.split()) for title in sighting.failing]
    else:
        found = [" ".join(each.title.split()) for each in sighting.findings if is_failed(each)]
        failing = [*(draft.state.shepherding.failing if now.head == known.head else ()), *found]
    failing = list(dict.fromkeys(failing))[:20]
    gathers = draft.state.shepherding.gathers and now.head == known.head
    _set(draft, approved=sighting.approved, blocked=sighting.blocked[:MOST_BLOCKS], gathers=gathers)
    _set(draft, failing=tuple(failing), picture=sighting.picture)


def _open_again(draft: Draft) -> None:
    """It was closed: what was asked about that has answered itself, and what was to be mended is read anew."""
    assert draft.state.pull_request is not None
    settle_closed(draft, draft.state.pull_request.version, "it was opened again")
    removed = [step.fix for step in draft.state.steps.values() if step.fix and step.removed]
    dropped = {finding for fix in removed for finding in fix.findings}
    _set(draft, seen=tuple(each for each in draft.state.shepherding.seen if each not in dropped))


def _count_unheard(draft: Draft, unheard: Sequence[Unheard]) -> None:
    """Who is not heard is told once, without a word of what was said: a stranger's text goes nowhere."""
    told = set(draft.state.shepherding.unheard)
    new = Counter((each.author, each.reason) for each in unheard if each.id not in told)
    if new:
        listed = [f"{author or 'somebody'} ({reason}): {count}" for (author, reason), count in new.most_common(10)]
        more = [f"and {len(new) - len(listed)} more"] if len(new) > len(listed) else []
        draft.event(EventName.NOT_HEARD, "; ".join([*listed, *more])[:500])
    _set(draft, unheard=tuple(each.id for each in unheard[-MOST_UNHEARD:]))


def _heed(draft: Draft, sighting: Sighting, *, in_parts: bool) -> None:
    known = set(draft.state.shepherding.seen)
    troubles = [each for each in sighting.findings if each.kind is FindingKind.TROUBLE]
    # Each once, and no more than a daemon tells at a time: the others come with the next look.
    found = list({each.id: each for each in sighting.findings}.values())[:MOST_FINDINGS]
    work = [each for each in found if each.kind is not FindingKind.TROUBLE and each.id not in known]
    for trouble in troubles:
        if trouble.id not in known:
            _ask_about(draft, trouble)
    if waiting := [each for each in work if each.for_person]:
        ask_about(draft, Topic.ACTION, waiting, question_texts.waiting(waiting), (BY_HAND,))
    if old := [each for each in work if _is_of_before(draft.state, each)]:
        see(draft, old)
        draft.event(EventName.TALK_LEFT, f"{len(old)} remarks were made before it was handed over: they are left alone")
    work = [each for each in work if each not in (*waiting, *old)]
    if work:
        _deal_with(draft, work, sighting, in_parts=in_parts)


def _refuses(sighting: Sighting) -> bool:
    return any(each.kind is FindingKind.TROUBLE for each in sighting.findings)


def _ask_about(draft: Draft, trouble: Finding) -> None:
    """One question, in the newest words; the same trouble on another day is another question."""
    settle_topic(draft, Topic.TROUBLE, "the forge refuses us otherwise by now")
    see(draft, [trouble])
    ask_operator(draft, Topic.TROUBLE, f"{trouble.id} {anew(draft)}", f"{trouble.title}: {trouble.text}", (TRY_AGAIN,))


def _is_of_before(state: State, finding: Finding) -> bool:
    """Whether it was said before the pull request was handed over; a forge tells times in whole seconds."""
    since = state.shepherding.since
    return bool(since and finding.said_at and finding.said_at < since.replace(microsecond=0))


def _deal_with(draft: Draft, work: list[Finding], sighting: Sighting, *, in_parts: bool) -> None:
    """One batch at a time, so that no two fixes mend the same head; what comes meanwhile is read anew afterwards. A
    batch may be told by several sightings, in one round.
    """
    state, is_rest = draft.state, draft.state.shepherding.gathers
    _set(draft, gathers=False)
    if awaits_fixes(state) and not is_rest:
        _hold(draft, work)
    elif fixer(state.directive.settings) is None:
        ask_about(draft, Topic.NO_AGENT, work, question_texts.no_agent(state, work), (BY_HAND, TRY_AGAIN))
    elif rounds_left(state) <= 0 and not is_rest:
        _hold(draft, work)
        ask_operator(draft, Topic.ROUNDS, anew(draft), question_texts.rounds_used(state, work), (YES, NO))
    else:
        see(draft, work)
        # What was held and isn't told now comes after these fixes, or with the next look, where that belongs to them.
        told = {each.id for each in work}
        held = () if sighting.more else tuple(each for each in state.shepherding.held if each not in told)
        _set(draft, held=held, gathers=sighting.more, rounds=state.shepherding.rounds + (not is_rest))
        _add_fixes(draft, work, sighting.base_head, in_parts=in_parts, more=is_rest or sighting.more)


def _add_fixes(draft: Draft, work: list[Finding], base_head: str, *, in_parts: bool, more: bool) -> None:
    left, of_round = MAX_STATE - state_size(draft.state), draft.state.shepherding.rounds
    for room in ROOMS:  # what was seen can't be refused (design 6): the last quotes nothing but links
        steps = fix_steps(draft.state, work, base_head, room=room, in_parts=in_parts, of_round=of_round, more=more)
        if sum(len(step.model_dump_json()) for step in steps) <= left:
            break
    for each in steps:
        step = each.model_copy(update={"id": unused(draft.state, each.id)})
        if step.id not in draft.state.steps:
            draft.put_step(step)
            draft.event(EventName.STEP_ADDED, step.name, step=step.id)


def _why_not_watched(state: State) -> str:
    known = state.pull_request
    if not state.directive.settings.shepherd:
        return "nothing looks after its pull request: `starter.py edit ID --shepherd` lets it be looked after"
    if known is None or not known.number:
        return "no pull request is known that could be looked at; name one with `set-pr`"
    if known.state.is_over:
        return f"the pull request is {known.state}: there is nothing to look after"
    return "the pull request is being updated: it is looked at as soon as that is done"


def _hold(draft: Draft, work: Sequence[Finding]) -> None:
    held = dict.fromkeys([*draft.state.shepherding.held, *(each.id for each in work)])
    _set(draft, held=tuple(held)[-MAX_SEEN:])


def _set(draft: Draft, **fields: Any) -> None:
    shepherding: Shepherding = draft.state.shepherding
    draft.set(shepherding=shepherding.model_copy(update=fields))
