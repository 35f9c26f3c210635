"""What happens by itself, and when: what `status` shows of a directive's waiting (rule 4.4)."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from cli.operator.text_lines import timer_line
from domain.models import Question, State
from domain.pull_request import PullRequest, PullRequestState
from domain.statuses import DirectiveStatus, TaskStatus
from domain.timers import TimerView, timers
from domain.view import view
from tests.values import NOON, directive_with

pytestmark = pytest.mark.rule("4.4")
SOON, LATER = NOON + timedelta(minutes=5), NOON + timedelta(hours=2)


@pytest.fixture
def state() -> State:
    """Two steps: the first one's account rests, a daemon has refused the second one's task."""
    state = directive_with(steps=2).model_copy(update={"status": DirectiveStatus.ACTIVE})
    first, second = state.tasks.values()
    resting = first.model_copy(
        update={"name": "Store", "status": TaskStatus.WAITING, "wait_until": LATER, "reason": "claude's limit"}
    )
    refused = second.model_copy(
        update={
            "name": "Login",
            "status": TaskStatus.PENDING,
            "refusals": {"box": "no disk"},
            "refused_until": {"box": SOON},
        }
    )
    return state.model_copy(update={"tasks": {first.id: resting, second.id: refused}})


def test_what_waits_until_a_time_is_listed_with_its_reason_the_next_one_first(state: State) -> None:
    found = timers(state)
    assert found == (
        TimerView(at=SOON, what="box is asked again for Login", why="no disk"),
        TimerView(at=LATER, what="Store goes on", why="claude's limit"),
    )
    assert view(state).timers == found
    assert timer_line(found[1]) == f"{LATER:%Y-%m-%d %H:%M:%S} UTC: Store goes on (claude's limit)"


def test_an_open_question_is_answered_by_its_default_also_while_paused_when_no_task_goes_on(state: State) -> None:
    task = next(iter(state.tasks))
    asked = Question(id=uuid4(), task=task, text="Which port?", default="8080", deadline=NOON)
    answered = Question(id=uuid4(), task=task, text="Why?", default="so", deadline=NOON, answer="no")
    state = state.model_copy(update={"questions": {each.id: each for each in (asked, answered)}})
    first, *_ = timers(state)
    assert first == TimerView(
        at=NOON, what=f"question {asked.id.hex[:8]} is answered with '8080'", why="nobody has answered it"
    )
    assert timers(state.model_copy(update={"status": DirectiveStatus.PAUSED})) == (first,)


def test_an_open_pull_request_is_looked_at_again_and_again(state: State) -> None:
    made = PullRequest(branch="b", head="1" * 40, base="main", url="https://x.invalid/1", number=1)
    idle = state.model_copy(update={"status": DirectiveStatus.IDLE, "planned": 1, "tasks": {}})

    def told(standing: PullRequestState) -> list[str]:
        pull_request = made.model_copy(update={"state": standing})
        return [timer_line(each) for each in timers(idle.model_copy(update={"pull_request": pull_request}))]

    assert told(PullRequestState.OPEN) == ["the pull request is looked at every 1 min, later on every 15 min"]
    assert told(PullRequestState.MERGED) == []
