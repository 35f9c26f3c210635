"""What was said about a pull request by people who are not heard (rule 7.5): counted, told once, and read by nobody."""

from __future__ import annotations

import pytest

from domain.change import Change
from domain.events import EventName
from domain.models import State
from domain.pull_request import MOST_UNHEARD, Finding, FindingKind, Sighting, Unheard, news_of
from domain.pull_requests import shepherd, watching
from domain.view import view
from tests.unit.directives import NOW
from tests.unit.test_shepherd import TROUBLE, fixes, opened

pytestmark = pytest.mark.rule("7.5")


def unheard(number: int, author: str = "mallory", reason: str = "no write access") -> Unheard:
    return Unheard(id=f"talk:{number}", author=author, reason=reason)


def sighting(state: State, *said: Unheard, findings: tuple[Finding, ...] = ()) -> Sighting:
    assert state.pull_request
    return Sighting(pull_request=state.pull_request, unheard=said, findings=findings)


def fold(state: State, *said: Unheard) -> Change:
    watch = watching.wanted_watch(state) or pytest.fail("not watched")
    news = news_of(watch, sighting(state, *said)) or sighting(state, *said)
    return shepherd.fold_sighting(state, news, NOW)


def told(change: Change) -> list[str]:
    return [event.why for event in change.changed.facts.events if event.what == EventName.NOT_HEARD]


def count(state: State) -> int:
    shown = view(state).pr
    assert shown
    return shown.not_heard


def test_it_is_counted_and_told_once_by_login_and_reason() -> None:
    change = fold(opened(), unheard(1), unheard(2), unheard(3, "ci[bot]", "a bot"))
    assert told(change) == ["mallory (no write access): 2; ci[bot] (a bot): 1"]
    assert (count(change.state), fixes(change.state)) == (3, [])
    assert told(fold(change.state, unheard(1), unheard(2), unheard(3, "ci[bot]", "a bot"))) == []
    assert told(fold(change.state, unheard(1), unheard(4, "eve"))) == ["eve (no write access): 1"]


def test_it_is_news_once_and_when_it_ends() -> None:
    state = opened()
    watch = watching.wanted_watch(state) or pytest.fail("not watched")
    assert news_of(watch, sighting(state, unheard(1)))
    state = fold(state, unheard(1)).state
    watch = watching.wanted_watch(state) or pytest.fail("not watched")
    assert news_of(watch, sighting(state, unheard(1))) is None
    assert news_of(watch, sighting(state)), "deleted, or heard by now"
    crowd = [unheard(number) for number in range(MOST_UNHEARD + 5)]
    crowded = fold(state, *crowd).state
    watch = watching.wanted_watch(crowded) or pytest.fail("not watched")
    assert news_of(watch, sighting(crowded, *crowd)) is None
    assert count(crowded) == MOST_UNHEARD
    assert count(fold(state).state) == 0


def test_while_the_forge_refuses_us_what_is_known_stays() -> None:
    state = fold(opened(), unheard(1)).state
    refused = sighting(state, findings=(TROUBLE,))
    state = shepherd.fold_sighting(state, refused, NOW).state
    assert count(state) == 1
    watch = watching.wanted_watch(state) or pytest.fail("not watched")
    assert news_of(watch, refused) is None


def test_a_finding_of_somebody_who_is_heard_now_is_worked_on() -> None:
    state = fold(opened(), unheard(1)).state
    asked = Finding(id="talk:1", kind=FindingKind.COMMENT, title="mallory has commented", text="Oak, please")
    state = shepherd.fold_sighting(state, sighting(state, findings=(asked,)), NOW).state
    assert (len(fixes(state)), count(state)) == (1, 0)
