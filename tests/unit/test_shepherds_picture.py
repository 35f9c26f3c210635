"""The shepherd's picture ends when the facts do, and fixers are told all that was asked (rule 7.5)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from cli.operator.text_lines import pull_request_lines
from domain.directive_settings import AgentChoice
from domain.models import State
from domain.pull_request import (
    Finding,
    FindingKind,
    Place,
    PullRequestState,
    Sighting,
    Watch,
    news_of,
)
from domain.pull_requests import shepherd, watching
from domain.pull_requests.closing import ENDED
from domain.pull_requests.fixes import MAX_QUOTED, PART_LIMIT, ROOMS
from domain.pull_requests.pull_request_view import pull_request_view, standing
from domain.requests import SetPullRequest
from domain.size import MAX_STATE, state_size
from domain.statuses import StepStatus
from tests.unit.directives import NOW, dispatchable, ended, granted, settled
from tests.unit.test_shepherd import (
    NEWER,
    TROUBLE,
    answered,
    asked,
    check,
    comment,
    fixes,
    opened,
    shipped,
    task_of,
)

pytestmark = pytest.mark.rule("7.5")

NO_READER = AgentChoice(name="shell")


def watch_of(state: State) -> Watch:
    return watching.wanted_watch(state) or pytest.fail("not watched")


def look(
    state: State, /, *holds: Finding, approved: bool = False, blocked: tuple[str, ...] = (), **fields: Any
) -> State:
    """After a daemon has looked at a pull request of which this holds, and nothing else."""
    watch = watch_of(state)
    now = watch.pull_request.model_copy(update=fields)
    seen = Sighting(pull_request=now, findings=holds, base_head=NEWER, approved=approved, blocked=blocked)
    news = news_of(watch, seen)
    return settled(shepherd.fold_sighting(state, news, NOW).state) if news else state


def open_questions(state: State) -> list[str]:
    return [question.text for question in state.questions.values() if question.is_open]


def answers(state: State) -> list[str | None]:
    return [question.answer for question in state.questions.values()]


# Ending


def test_what_holds_no_more_is_news_and_what_holds_is_not() -> None:
    state = look(opened(), check(), comment())
    pull_request = watch_of(state).pull_request
    assert news_of(watch_of(state), Sighting(pull_request=pull_request, findings=(check(), comment()))) is None
    assert news_of(watch_of(state), Sighting(pull_request=pull_request, findings=(comment(),)))
    assert news_of(watch_of(state), Sighting(pull_request=pull_request, findings=(check(), comment()), approved=True))


def test_a_check_that_was_run_again_on_the_same_head_and_passes_is_failing_no_more() -> None:
    state = look(opened(planner=NO_READER), check(1), check(2))
    assert state.shepherding.failing == ("ci: step 1", "ci: step 2")
    state = look(state, check(2))
    assert state.shepherding.failing == ("ci: step 2",)
    assert open_questions(state), "one of them still fails"
    state = look(state)
    assert (state.shepherding.failing, open_questions(state), answers(state)) == ((), [], [ENDED])
    assert state.shepherding.asked_about == {}


def test_why_it_cannot_be_merged_is_told_while_it_holds_and_makes_no_work() -> None:
    state = look(opened(), blocked=("an approval is missing", "the required check '\x1b[1m*x*' has failed"))
    known = state.pull_request
    assert known is not None
    assert not fixes(state) and not open_questions(state)
    shown = pull_request_view(state, known)
    assert shown.blocked == state.shepherding.blocked != ()
    told = "an approval is missing; the required check '\x1b[1m*x*' has failed"
    assert f"  no merge    {told}" in pull_request_lines(shown), "terminals are guarded where lines are printed"
    assert "can't be merged: an approval is missing; the required check" in standing(state, known)
    assert "*x*" not in standing(state, known), "no text of others is markdown"
    draft = known.model_copy(update={"state": PullRequestState.DRAFT})
    assert pull_request_view(state, draft).blocked == ("it is a draft", *shown.blocked)
    merged = known.model_copy(update={"state": PullRequestState.MERGED})
    assert pull_request_view(state, merged).blocked == ()
    pull_request = watch_of(state).pull_request
    again = Sighting(pull_request=pull_request, base_head=NEWER, blocked=state.shepherding.blocked)
    assert news_of(watch_of(state), again) is None, "the same is no news"
    assert look(state).shepherding.blocked == ()


@pytest.mark.parametrize("finding", [check(2), comment(2)])
def test_the_question_after_the_last_round_ends_with_its_findings(finding: Finding) -> None:
    state = look(opened(shepherd_rounds=1), check(1))
    state = look(shipped(ended(state, task_of(state)), head=NEWER), finding)
    assert "Go on?" in asked(state).text
    state = look(state)
    assert (open_questions(state), answers(state), state.shepherding.held) == ([], [ENDED], ())
    state = look(state, check(3))
    assert "Go on?" in asked(state).text, "the next one is asked about again"


@pytest.mark.parametrize(("status", "goes_on"), [(StepStatus.READY, False), (StepStatus.RUNNING, True)])
def test_a_fix_that_has_not_begun_is_taken_back_and_one_that_runs_goes_on(status: StepStatus, goes_on: bool) -> None:
    state = look(opened(), check())
    (fix,) = fixes(state)
    state = look(state.model_copy(update={"steps": {**state.steps, fix.id: fix.model_copy(update={"status": status})}}))
    assert [step.removed for step in fixes(state)] == [not goes_on]
    assert [task.unwanted for task in state.live()] == [not goes_on]


def test_what_holds_again_after_its_fix_was_taken_back_is_mended() -> None:
    """As when the forge does not say for a moment what the author may do."""
    state = look(look(look(opened(), comment()), check()), comment())
    kept = [step.fix.findings for step in fixes(state) if step.fix and not step.removed]
    assert ("comment:1",) in kept
    assert "comment:1" in state.shepherding.seen


def test_what_was_held_stays_so_where_another_fix_takes_the_place_of_the_one_before() -> None:
    """It is told no look in between: that would end the watch for nothing."""
    state = look(look(opened(), check(1)), check(1), comment())
    assert state.shepherding.held == ("comment:1",)
    state = look(state, check(2), comment())
    assert [step.removed for step in fixes(state)] == [True, False]
    assert state.shepherding.held == ("comment:1",)
    watch = watch_of(state)
    assert news_of(watch, Sighting(pull_request=watch.pull_request, findings=(check(2), comment()))) is None


def test_of_a_fix_for_two_findings_one_that_holds_is_enough() -> None:
    state = look(look(opened(), comment(1), comment(2)), comment(2))
    (fix,) = fixes(state)
    assert not fix.removed


def test_one_that_is_opened_again_is_looked_after_again() -> None:
    state = look(opened(), check())
    state = look(state, state=PullRequestState.CLOSED)
    assert asked(state).choices == ("open a new one", "leave it")
    assert fixes(state)[0].removed
    state = look(state, check(), state=PullRequestState.OPEN)
    assert (open_questions(state), answers(state)) == ([], ["it was opened again"])
    assert state.pull_request and state.pull_request.state is PullRequestState.OPEN
    state = look(state, check())
    assert [step.removed for step in fixes(state)] == [True, False], "its check still fails: it is mended"
    assert dispatchable(state)
    assert all(step.shipped for step in state.steps.values() if step.fix is None)


def test_one_that_was_closed_and_is_merged_after_all_asks_nothing() -> None:
    state = look(opened(), state=PullRequestState.CLOSED)
    state = look(state, state=PullRequestState.MERGED)
    assert (open_questions(state), answers(state)) == ([], ["it was merged"])
    assert {step.status for step in state.steps.values()} == {StepStatus.MERGED}


def test_a_closed_one_that_is_left_is_watched_and_asked_about_once() -> None:
    state = answered(look(opened(), state=PullRequestState.CLOSED), "leave it")
    closed = watch_of(state).pull_request
    assert news_of(watch_of(state), Sighting(pull_request=closed)) is None
    state = settled(shepherd.fold_sighting(state, Sighting(pull_request=closed), NOW).state)
    assert len(state.questions) == 1


@pytest.mark.parametrize("over", [PullRequestState.MERGED, PullRequestState.CLOSED])
def test_nothing_is_asked_about_the_fixes_of_one_that_is_over(over: PullRequestState) -> None:
    state = look(opened(planner=NO_READER), check())
    assert open_questions(state)
    state = look(state, state=over)
    assert not any("needs work" in text for text in open_questions(state))
    assert state.shepherding.failing == ()


def test_while_the_forge_refuses_us_nothing_ends() -> None:
    state = look(opened(planner=NO_READER), check(), approved=True)
    before = open_questions(state)
    state = look(state, TROUBLE)
    assert before[0] in open_questions(state)
    assert (state.shepherding.failing, state.shepherding.approved) == (("ci: step 1",), True)


def test_an_older_daemon_ends_nothing() -> None:
    state = look(opened(planner=NO_READER), check())
    told = Sighting(pull_request=watch_of(state).pull_request, findings=(comment(),))
    state = settled(shepherd.fold_sighting(state, told, NOW).state)
    assert state.shepherding.failing == ("ci: step 1",)
    assert len(open_questions(state)) == 2


# What fixers are told


def plans(state: State) -> list[str]:
    return [step.task_plan for step in fixes(state)]


@pytest.mark.parametrize("size", [40, 700, 5_000, 16_000])
def test_of_thirty_comments_with_a_request_each_thirty_requests_arrive(size: int) -> None:
    said = [
        comment(number, f"Please rename variable_{number}. " + "ü" * (size // 2)).model_copy(
            update={"place": Place(path=f"src/{number % 7}.py", line=number, quoted="+ x = 1\n" * 100)}
        )
        for number in range(30)
    ]
    state = look(opened(), *said)
    whole = "\n".join(plans(state))
    assert [number for number in range(30) if f"Please rename variable_{number}. " not in whole] == []
    assert max(len(plan.encode()) for plan in plans(state)) <= PART_LIMIT + 2_000
    assert (len(plans(state)) == 1) is (size == 40)
    answers_to = [each for step in fixes(state) if step.fix for each in step.fix.comments]
    assert sorted(answers_to) == sorted(each.id for each in said)
    assert len({(step.id, step.name) for step in fixes(state)}) == len(fixes(state)) == len(dispatchable(state))


def test_parts_of_a_large_set_are_told_that_they_are_parts_and_a_file_stays_together() -> None:
    said = [
        comment(number, "x" * 7_000).model_copy(update={"place": Place(path=f"{number % 2}.py", line=1)})
        for number in range(8)
    ]
    state = look(opened(), *said)
    first, second = fixes(state)
    assert first.name.endswith("(round 1, part 1 of 2)")
    assert "There is more of this" in first.task_plan and "There is more of this" in second.task_plan
    paths = [set(re.findall(r"About (\d.py)", plan)) for plan in plans(state)]
    assert paths in ([{"0.py"}, {"1.py"}], [{"0.py", "1.py"}, {"1.py"}])


def test_a_request_is_told_from_its_beginning_with_its_place_and_the_lines_quoted() -> None:
    place = Place(path="src/floor.py", line=5, start_line=3, side="LEFT", quoted="@@ -3,3 @@\n-oak\n-```\n-pine")
    said = comment(1, "Please use oak. " + "y" * 16_000).model_copy(update={"place": place, "url": "https://c/1"})
    (plan,) = plans(look(opened(), said))
    assert "About src/floor.py as it was before the pull request, lines 3 to 5" in plan
    assert "````diff\n@@ -3,3 @@\n-oak\n-```\n-pine\n````" in plan
    assert "Please use oak. yyy" in plan
    assert "… cut: the whole of it is at https://c/1 …" in plan
    assert plan.index("About src/floor.py") < plan.index("Please use oak")
    whole_file = comment(2).model_copy(update={"place": Place(path="a.py", outdated=True)})
    (plan,) = plans(look(opened(), whole_file))
    assert "About a.py; these lines have changed since" in plan


def test_a_long_hunk_takes_no_room_from_the_request() -> None:
    said = comment(1, "Please use oak.").model_copy(update={"place": Place(path="a", line=1, quoted="z" * 4_000)})
    (plan,) = plans(look(opened(), said))
    assert "Please use oak." in plan
    assert plan.count("z") <= MAX_QUOTED


def test_where_the_directive_has_little_room_left_requests_are_cut_before_they_are_left_out() -> None:
    state = opened()
    assert state.pull_request
    room = MAX_STATE - state_size(state) - 60_000
    floor = next(iter(state.steps.values()))
    full = state.model_copy(update={"steps": {floor.id: floor.model_copy(update={"summary": "s" * room})}})
    said = [comment(number, f"Please rename variable_{number}. " + "x" * 15_000) for number in range(30)]
    full = look(full, *said)
    whole = "\n".join(plans(full))
    assert all(f"Please rename variable_{number}. " in whole for number in range(30))
    assert state_size(full) <= MAX_STATE
    assert len(whole) < 30 * ROOMS[0]
    assert dispatchable(full)


def test_what_the_forge_says_of_a_refusal_is_told_once_whatever_else_is_news() -> None:
    refused = look(opened(), TROUBLE)
    moved = look(refused, TROUBLE, head="ab" * 20)
    assert open_questions(moved) == open_questions(refused), "it still refuses"
    pull_request = watch_of(moved).pull_request
    assert news_of(watch_of(moved), Sighting(pull_request=pull_request, findings=(TROUBLE,))) is None


def test_a_pull_request_that_was_closed_while_the_forge_refused_is_no_news_for_ever() -> None:
    closed = look(look(opened(), TROUBLE), state=PullRequestState.CLOSED)
    assert not [each for each in open_questions(closed) if TROUBLE.title in each], "the forge answers again"
    pull_request = watch_of(closed).pull_request
    assert news_of(watch_of(closed), Sighting(pull_request=pull_request)) is None


# A picture that changes in every way


@pytest.mark.parametrize("count", [101, 250])
def test_of_more_requests_than_one_look_tells_all_arrive_in_one_round_and_nobody_is_asked(count: int) -> None:
    said = [comment(number, f"Please rename variable_{number}. ") for number in range(count)]
    state = opened(shepherd_rounds=1)
    for _ in range(count):
        before, state = state, look(state, *said)
        if state == before:
            break
    whole = "\n".join(plans(state))
    assert [number for number in range(count) if f"Please rename variable_{number}." not in whole] == []
    assert (open_questions(state), state.shepherding.rounds) == ([], 1)
    assert all("There is more of this" in plan for plan in plans(state))
    assert {step.description for step in fixes(state)} >= {"Round 1 for https://example.invalid/r/pull/11"}


def test_what_comes_later_than_the_rest_of_a_large_set_waits_for_the_next_round() -> None:
    said = [comment(number) for number in range(40)]
    state = look(opened(), *said)
    assert state.shepherding.gathers
    state = look(state, *said)
    assert not state.shepherding.gathers
    state = look(state, *said, comment(99))
    assert (state.shepherding.held, state.shepherding.rounds) == (("comment:99",), 1)


def test_the_rest_of_a_large_set_waits_where_the_branch_has_moved_meanwhile() -> None:
    """What was begun is on another head: its work and theirs would meet in a conflict."""
    said = [comment(number) for number in range(40)]
    state = look(opened(), *said)
    state = look(state, *said, head=NEWER)
    assert len(state.shepherding.held) == 10
    assert not state.shepherding.gathers


@pytest.mark.parametrize("finding", [check(2), comment(2)])
def test_what_a_person_was_asked_about_and_ended_is_asked_about_again_once_it_holds_again(finding: Finding) -> None:
    state = look(look(opened(planner=NO_READER), finding))
    assert (open_questions(state), answers(state)) == ([], [ENDED])
    state = look(state, finding)
    assert len(open_questions(state)) == 1


def test_a_check_that_fails_again_after_it_was_run_again_is_mended_again() -> None:
    """Its app has brought the same run to a new end, on the head that the first fix left as it was."""
    state = look(opened(), check())
    state = look(shipped(ended(state, task_of(state))), check())
    assert len(fixes(state)) == 1, "what was said of it holds still: nothing is new"
    state = look(look(state), check())
    assert len(fixes(state)) == 2


# Persons' business


def waiting(number: int = 1) -> Finding:
    title = f"visual {number}: action_required"
    return Finding(id=f"check:waits-{number}", kind=FindingKind.CHECK, title=title, for_person=True)


def test_a_check_that_waits_for_a_person_is_asked_about_and_no_agents_work() -> None:
    state = look(opened(), waiting(), check())
    assert "visual 1: action_required" in asked(state).text
    assert [step.fix.findings for step in fixes(state) if step.fix] == [("check:1",)]
    assert state.shepherding.failing == ("ci: step 1",)
    assert len(open_questions(look(state, waiting(), check()))) == 1, "once"
    over = look(state, check())
    assert (open_questions(over), answers(over)) == ([], [ENDED])
    assert "visual 1" in asked(look(over, waiting(), check())).text, "what waits again is asked about again"


def test_what_was_said_before_a_pull_request_was_handed_over_is_no_work() -> None:
    url = "https://example.invalid/r/pull/12"
    state = granted(opened(), SetPullRequest(url=url, agreed=True))
    assert state.pull_request and state.pull_request.number == 12

    def said(number: int, seconds: float) -> Finding:
        return comment(number).model_copy(update={"said_at": NOW + timedelta(seconds=seconds)})

    state = look(state, said(1, -3600), said(2, -1), said(3, 0), said(4, 5), check())
    told = {finding for step in fixes(state) if step.fix for finding in step.fix.findings}
    assert told == {"comment:3", "comment:4", "check:1"}
    assert {"comment:1", "comment:2"} <= set(state.shepherding.seen), "and is told no second time"


def test_a_suggestion_and_a_range_over_both_sides_are_told_as_what_they_are() -> None:
    place = Place(path="a.py", line=7, start_line=5, side="RIGHT", start_side="LEFT")
    said = comment(1, "```suggestion\noak\n```").model_copy(update={"place": place})
    state = look(opened(), said)
    assert state.pull_request
    (step,) = fixes(state)
    assert "About a.py, from line 5 as it was before to line 7 as it is now" in step.task_plan
    assert "is to replace exactly the lines named" in step.task_plan
