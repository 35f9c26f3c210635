"""What the shepherd leaves alone, asks once, and tells in the history (rule 7.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.change import Draft
from domain.directive_settings import AgentChoice
from domain.errors import Refused
from domain.models import State
from domain.operations import Refusal, apply
from domain.plan import PlannedStep
from domain.pull_request import Finding, Place, PullRequestState, Sighting, Unheard
from domain.pull_requests import shepherd, watching
from domain.pull_requests.fixes import fix_steps
from domain.record import Facts
from domain.requests import AddStep, ChangeGoal, Poke, RemoveStep
from domain.spawn_task import OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus
from domain.timings import Timings
from tests.unit.directives import NOW, begun, ended, granted
from tests.unit.test_shepherd import (
    CONFLICT,
    EARLIER,
    FAILED,
    NEWER,
    TROUBLE,
    answered,
    asked,
    check,
    command_of,
    comment,
    fixes,
    opened,
    pull_request,
    seen,
    shipped,
    task_of,
)

pytestmark = pytest.mark.rule("7.5")


def facts_of(
    state: State, /, *findings: Finding, base_head: str = NEWER, unmerged: tuple[str, ...] = (), **fields: Any
) -> Facts:
    """What the record is told of a look."""
    assert state.pull_request
    known = state.pull_request.model_copy(update=fields)
    sighting = Sighting(pull_request=known, findings=findings, base_head=base_head, unmerged=unmerged)
    return shepherd.fold_sighting(state, sighting, NOW).changed.facts


def told(facts: Facts) -> list[tuple[str, str]]:
    return [(event.what, event.why) for event in facts.events]


# History


def test_history_tells_that_a_pull_request_has_changed_moved_and_was_poked() -> None:
    state = opened()
    assert told(facts_of(state)) == [], "nothing has"
    url = "https://example.invalid/r/pull/11"
    assert told(facts_of(state, state=PullRequestState.DRAFT)) == [("pull request draft", url)]
    moved = f"its branch is at {NEWER}, {EARLIER} was known"
    assert told(facts_of(state, head=NEWER)) == [("pull request moved", moved)]
    change = apply(state, Poke(), NOW)
    assert not isinstance(change, Refusal) and told(change.changed.facts) == [("pull request poked", url)]


@pytest.mark.parametrize(
    "strange",
    [
        {"head": "-x"},
        {"head": "main"},
        {"base": "--upload-pack=x"},
        {"branch": "a..b"},
        {"base_head": "HEAD"},
        {"unmerged": (NEWER, "--all")},
    ],
)
def test_of_a_look_with_a_name_that_is_none_only_the_reason_is_told(strange: dict[str, Any]) -> None:
    state = opened()
    facts = facts_of(state, check(), state=PullRequestState.MERGED, **strange)
    ((what, why),) = told(facts)
    assert what == "pull request not watched" and "no " in why and facts.pull_requests == ()


def test_a_pull_request_that_is_over_is_recorded_once() -> None:
    state = opened()
    assert len(facts_of(state, state=PullRequestState.CLOSED).pull_requests) == 1
    closed = seen(state, state=PullRequestState.CLOSED)
    assert facts_of(closed, head=NEWER).pull_requests == ()


# What is left alone


def test_what_is_over_or_not_begun_is_not_watched() -> None:
    state = opened()
    for status in (DirectiveStatus.COMPLETED, DirectiveStatus.FAILED, DirectiveStatus.ARCHIVED, DirectiveStatus.DRAFT):
        assert watching.wanted_watch(state.model_copy(update={"status": status})) is None
    assert watching.wanted_watch(state.model_copy(update={"planned": 0})) is None, "nothing of it is ours yet"
    assert watching.wanted_watch(state)


def test_a_look_that_comes_while_a_completion_changes_the_pull_request_changes_nothing() -> None:
    state = seen(opened(), check())
    completing = ended(state, task_of(state))
    assert completing.status is DirectiveStatus.COMPLETING
    assert seen(completing, comment(), head=NEWER) == completing
    other = opened()
    assert seen(other, check(), number=12) == other, "nor does one at another pull request"


def test_what_a_removed_fix_was_to_mend_is_not_begun_anew_at_the_next_look() -> None:
    state = seen(opened(), check())
    state = granted(state, RemoveStep(step=str(fixes(state)[0].id)))
    state = seen(state, check(), comment())
    assert [step.name for step in fixes(state) if not step.removed] == [
        "Answer the review: ann on floor.py:3 (round 2)"
    ]


def test_a_fix_that_has_failed_is_neither_made_twice_nor_begun_again_where_its_findings_are_forgotten() -> None:
    state = seen(opened(max_attempts=1), check())
    state = ended(state, task_of(state), status=OutcomeStatus.FAILED, failure=FAILED)
    (fix,) = fixes(state)
    forgotten = state.model_copy(update={"shepherding": state.shepherding.model_copy(update={"seen": ()})})
    after = seen(forgotten, check())
    assert after.steps == state.steps
    assert after.steps[fix.id].status is StepStatus.FAILED


def test_few_findings_of_old_heads_are_all_remembered() -> None:
    state = opened()
    old = tuple(f"check:{number}" for number in range(600))
    state = state.model_copy(update={"shepherding": state.shepherding.model_copy(update={"seen": old})})
    state = seen(state, check(1000))
    assert state.shepherding.seen == (*old, "check:1000")


# Questions


def test_a_trouble_that_goes_on_is_asked_about_once() -> None:
    state = seen(opened(), TROUBLE)
    first = asked(state)
    state = seen(state, TROUBLE, check(), head=NEWER)
    assert asked(state) == first, "neither settled nor asked anew"


def test_what_is_asked_names_what_there_is_to_do() -> None:
    state = seen(opened(planner=AgentChoice(name="shell")), check(), comment())
    question = asked(state)
    assert question.choices == ("I see to it", "try again")
    assert "ci: step 1 https://c; ann on floor.py:3" in question.text
    state = opened(shepherd_rounds=0)
    question = asked(seen(state, check()))
    assert (
        "0 rounds of fixes were not enough for https://example.invalid/r/pull/11: ci: step 1 https://c" in question.text
    )


def test_a_poke_that_makes_no_sense_says_why() -> None:
    def refusal(state: State) -> str:
        with pytest.raises(Refused) as refused:
            shepherd.poke(Draft(state, NOW))
        return str(refused.value)

    assert "no pull request is known" in refusal(begun())
    assert "no pull request is known" in refusal(opened().model_copy(update={"pull_request": pull_request(number=0)}))
    assert "edit ID --shepherd" in refusal(opened(shepherd=False))
    assert "is merged: there is nothing" in refusal(seen(opened(), state=PullRequestState.MERGED))
    state = seen(opened(), check())
    assert "is being updated" in refusal(ended(state, task_of(state)))


def test_a_conflicts_fix_tells_the_completion_what_it_merges() -> None:
    state = seen(opened(), CONFLICT)
    state = ended(state, task_of(state))
    (completion,) = state.live()
    assert completion.kind.value == "completion"
    (merged,) = command_of(state, completion.kind).merge
    assert merged.merges == (NEWER,)


# What is passed on


def test_a_watch_polls_as_the_directive_says_and_an_event_names_the_daemon_that_looked() -> None:
    timings = Timings(poll=timedelta(seconds=7), poll_at_most=timedelta(seconds=70))
    state = opened(timings=timings)
    watch = watching.wanted_watch(state)
    assert watch and (watch.every, watch.at_most) == (timings.poll, timings.poll_at_most)
    moved = watch.pull_request.model_copy(update={"head": NEWER, "version": 5})
    for daemon, actor in (("one", "daemon:one"), ("", "makima")):
        change = shepherd.fold_sighting(state, Sighting(pull_request=moved, daemon=daemon), NOW)
        assert [event.actor for event in change.changed.facts.events] == [actor]
        assert change.state.pull_request and change.state.pull_request.version == 1, "a forge knows nothing of ours"
    merged = facts_of(state, state=PullRequestState.MERGED, version=5)
    assert [each.version for each in merged.pull_requests] == [1]


def test_a_poke_looks_at_once_and_asks_again_about_what_refuses() -> None:
    state = seen(opened(), TROUBLE)
    first = asked(state)
    poked = granted(state, Poke())
    assert poked.shepherding.pokes == state.shepherding.pokes + 1
    later = seen(poked, TROUBLE, now=NOW + timedelta(minutes=1))
    assert asked(later) != first and later.questions[first.id].answer, "the same trouble, on another occasion"
    tried = answered(state, "try again")
    assert tried.shepherding.pokes == state.shepherding.pokes + 1
    assert TROUBLE.id not in tried.shepherding.seen


def test_who_is_not_heard_is_counted_and_of_many_the_first_are_named() -> None:
    state = opened()
    assert state.pull_request
    unheard = tuple(Unheard(id=f"talk:{n}", author="" if n == 0 else f"bot{n}", reason="a bot") for n in range(12))
    sighting = Sighting(pull_request=state.pull_request, unheard=unheard)
    change = shepherd.fold_sighting(state, sighting, NOW)
    ((what, why),) = told(change.changed.facts)
    assert what == "not heard" and why.startswith("somebody (a bot): 1; bot1 (a bot): 1; ")
    assert why.endswith("bot9 (a bot): 1; and 2 more")
    assert told(shepherd.fold_sighting(change.state, sighting, NOW).changed.facts) == [], "once"


def test_a_fix_is_told_with_its_step_and_what_comes_meanwhile_is_held_until_it_is_pushed() -> None:
    state = opened()
    (added,) = [event for event in facts_of(state, check()).events if event.what == "step added"]
    state = seen(state, check())
    (fix,) = fixes(state)
    assert (added.step, added.why) == (fix.id, fix.name)
    state = seen(state, comment())
    assert (len(fixes(state)), state.shepherding.held) == (1, ("comment:1",))
    state = ended(state, task_of(state))
    assert watching.wanted_watch(state) is None, "a completion pushes it"
    state = seen(shipped(state, head=NEWER), comment())
    assert (len(fixes(state)), state.shepherding.held, state.shepherding.rounds) == (2, (), 2)


def test_after_the_last_round_yes_allows_as_many_again_and_no_leaves_what_was_held() -> None:
    state = seen(opened(shepherd_rounds=0), check())
    more = answered(state, "yes")
    assert (more.shepherding.granted, watching.rounds_left(more)) == (1, 1)
    no_more = answered(state, "no")
    assert (no_more.shepherding.held, no_more.shepherding.seen) == ((), ("check:1",))
    assert fixes(seen(no_more, check())) == []
    used = opened(shepherd_rounds=2)
    used = used.model_copy(update={"shepherding": used.shepherding.model_copy(update={"rounds": 2})})
    assert watching.rounds_left(answered(seen(used, check()), "yes")) == 2


def test_a_trouble_is_no_work_for_an_agent() -> None:
    assert fixes(seen(opened(), TROUBLE)) == []


def test_what_a_closed_ones_fix_was_to_mend_is_read_anew_once_it_is_open_again_and_other_things_are_not() -> None:
    state = seen(opened(), comment())
    state = shipped(ended(state, task_of(state)), head=NEWER)
    state = seen(state, check())
    closed = seen(state, state=PullRequestState.CLOSED)
    again = seen(closed, state=PullRequestState.OPEN)
    assert again.shepherding.seen == ("comment:1",), "answered already"
    assert len([step for step in fixes(seen(again, check(), comment())) if not step.removed]) == 2


def test_few_remarks_stand_in_the_order_in_which_they_were_made_and_whole_ones_are_not_called_cut() -> None:
    first = comment(1).model_copy(update={"place": Place(path="z.py", line=3), "url": "https://c/1"})
    second = comment(2).model_copy(update={"place": Place(path="a.py", line=1), "url": "https://c/2"})
    state = opened()
    (step,) = fix_steps(state, [first, second], NEWER)
    assert step.task_plan.index("z.py") < step.task_plan.index("a.py")
    assert "Oak, please" in step.task_plan and "… cut" not in step.task_plan
    (short,) = fix_steps(state, [first, second], NEWER, room=0)
    assert "https://c/1" in short.task_plan and "Oak, please" not in short.task_plan, "nothing but its link"


# What the forge may merge by itself


def is_complete(state: State) -> bool:
    watch = watching.wanted_watch(state)
    assert watch
    return watch.complete


def test_while_a_fix_is_under_way_it_is_not_all_of_the_work() -> None:
    state = opened()
    assert is_complete(state)
    found = seen(state, check())
    assert not is_complete(found), "a fix is under way"


def test_a_new_goal_and_its_steps_are_not_in_the_pull_request_yet() -> None:
    state = opened()
    planning = granted(state, ChangeGoal(goal="A house with a roof"))
    assert not is_complete(planning)
    assert not is_complete(granted(state, AddStep(id=uuid4(), step=PlannedStep(name="roof", task_plan="x"))))
