"""What is made of what seven real agents said over the Agent Client Protocol, and of what nobody should say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.agents.base import StreamSummary
from daemon.agents.event_folding import log_text
from daemon.agents.stream_events import (
    AgentText,
    Denied,
    Ending,
    Final,
    MustEnd,
    PermissionReply,
    PermissionRequest,
    PlanReported,
    Printed,
    SessionStarted,
    ToolCalled,
    ToolFailed,
    Totals,
    Warned,
)
from daemon.process.program import EndedBy, ProcessEnd
from domain.errors import CannotServe
from tests.acp_player import WORKTREE, Played, a_run, a_stream, an_agent, recorded, runs

PROFILES = {
    "claude": "claude-agent-acp",
    "codex": "codex-acp",
    "copilot": "copilot",
    "gemini": "gemini",
    "kimi": "kimi",
    "opencode": "opencode",
    "qwen": "qwen",
}
AGENTS = tuple(PROFILES)
ENDED = ProcessEnd(0, EndedBy.EXIT, "")


def played(name: str, **settings: Any) -> Played:
    made = a_stream(an_agent(profile=PROFILES[name.partition("_")[0]], permissions="allow", **settings))
    made.plays(recorded(name))
    return made


def finals(made: Played) -> list[Final]:
    return [event for event in made.events if isinstance(event, Final)]


def opened(made: Played, session: str = "s1", **result: Any) -> Played:
    """With a session, and its prompt."""
    made.answered("initialize", {"protocolVersion": 1, "agentCapabilities": {}})
    made.answered("session/new", {"sessionId": session, **result})
    return made


def prompted(made: Played) -> Played:
    """The same, once the agent has taken what the session is set to."""
    opened(made)
    made.answered("session/set_mode", {})
    return made


@pytest.mark.rule("6.9")
@pytest.mark.parametrize("name", AGENTS)
def test_a_turn_of_each_is_read_to_its_end(name: str) -> None:
    made = played(f"{name}_prompt")
    (final,) = finals(made)
    assert final.ending is Ending.COMPLETED
    assert any(isinstance(event, SessionStarted) for event in made.events)
    assert made.asked_for[:2] == ["initialize", "session/new"]
    assert made.asked_for[-1] == "session/prompt"
    called = [event for event in made.events if isinstance(event, ToolCalled)]
    assert called and "hello.txt" in called[0].about
    assert not [event for event in made.events if isinstance(event, Printed)]
    assert made.patience == 0, "nobody is waited for any more"


@pytest.mark.parametrize(
    ("name", "totals"),
    [
        ("claude", Totals(0.0153, 3100)),
        ("codex", Totals(0, 2100)),
        ("copilot", Totals(0, 2100)),
        ("gemini", Totals(0, 2100)),
        ("kimi", Totals()),
        ("opencode", Totals(0.00285, 1050)),
        ("qwen", Totals(0, 3150)),
    ],
)
def test_what_each_tells_of_its_use_is_counted_once(name: str, totals: Totals) -> None:
    told = played(f"{name}_prompt").seen.totals
    assert (round(told.cost_usd, 9), told.tokens) == (totals.cost_usd, totals.tokens)


@pytest.mark.rule("5.6")
@pytest.mark.parametrize(
    ("name", "ending"),
    [
        *((f"{name}_401", Ending.AUTH) for name in AGENTS),
        *((f"{name}_context", Ending.CONTEXT) for name in AGENTS if name != "opencode"),
        ("opencode_context", Ending.COMPLETED),  # it makes room by itself
        ("claude_429", Ending.LIMIT),
        ("copilot_429", Ending.LIMIT),
    ],
)
def test_trouble_is_known_by_what_they_say_whatever_they_call_the_end(name: str, ending: Ending) -> None:
    (final,) = finals(played(name))
    assert final.ending is ending, final.text


@pytest.mark.rule("5.6")
@pytest.mark.parametrize("name", ["codex", "gemini", "kimi", "opencode"])
def test_a_retry_of_hours_that_nobody_tells_of_is_a_limit_by_its_silence(name: str) -> None:
    made = played(f"{name}_429")
    assert not finals(made)
    assert made.patience == 300, "its profile's silence"
    made.wake()
    made.answered("session/prompt", {"stopReason": "cancelled"})
    (final,) = finals(made)
    assert (final.ending, final.until) == (Ending.LIMIT, None), "nobody knows when it ends"
    assert any(isinstance(event, MustEnd) for event in made.events)


def test_a_retry_that_is_told_of_is_in_the_log() -> None:
    warned = [event.text for event in played("codex_429").events if isinstance(event, Warned)]
    assert warned == ["Reconnecting... 1/1: exceeded retry limit, last status: 429 Too Many Requests"]


@pytest.mark.parametrize("name", AGENTS)
def test_a_turn_that_is_cancelled_says_so(name: str) -> None:
    made = a_stream(an_agent(profile=PROFILES[name], permissions="allow"))
    frames = recorded(f"{name}_cancel")
    made.plays(frames[:-1])
    if not finals(made):
        words = made.stream.cancel()
        assert json.loads(words)["method"] == "session/cancel"
        assert made.stream.cancel() == "", "once"
        made.answered("session/prompt", frames[-1]["msg"].get("result") or {"stopReason": "cancelled"})
    (final,) = finals(made)
    assert final.ending is Ending.KILLED
    assert made.stream.cancel() == ""


@pytest.mark.parametrize("name", AGENTS)
def test_a_session_is_gone_on_with_and_what_it_repeats_is_not_counted_again(name: str) -> None:
    first, second = runs(f"{name}_kill")
    session = next(each["msg"]["params"]["sessionId"] for each in second if "sessionId" in str(each["msg"]))
    begun = a_stream(an_agent(profile=PROFILES[name], permissions="allow"))
    begun.plays(first)
    assert begun.seen.session == session
    before = begun.seen.session_totals or Totals()
    made = a_stream(an_agent(profile=PROFILES[name], permissions="allow"), session=session, before=before)
    made.plays(second)
    (final,) = finals(made)
    assert (final.ending, made.seen.session) == (Ending.COMPLETED, session)
    method = "session/load" if name in ("copilot", "gemini") else "session/resume"
    assert (made.asked_for[1], made.asked_for[-1]) == (method, "session/prompt")
    texts = [event.text for event in made.events if isinstance(event, AgentText) and "Done" in event.text]
    assert len(texts) <= 1
    assert made.seen.turns == (1 if name in ("gemini", "qwen") else 0), "tools that this run has called itself"


@pytest.mark.parametrize("name", ["cline", "auggie", "droid"])
def test_agents_without_a_login_ask_for_one(name: str) -> None:
    made = a_stream(an_agent(profile=name))
    made.plays([frame for frame in recorded(f"{name}_prompt") if frame["msg"].get("id") != 3][:4])
    (final,) = finals(made)
    assert final.ending is Ending.AUTH
    assert "Authentication required" in final.text


@pytest.mark.parametrize(
    ("profile", "access"),
    [("codex-acp", "agent-full-access"), ("gemini", "yolo"), ("claude-agent-acp", "bypassPermissions")],
)
def test_where_everything_is_allowed_the_session_is_told_so_first(profile: str, access: str) -> None:
    made = opened(a_stream(an_agent(profile=profile, permissions="auto"), boxed=True), modes={"currentModeId": "x"})
    assert made.sent[-1]["params"] == {"sessionId": "s1", "modeId": access}
    made.answered("session/set_mode", {})
    assert made.asked_for[-1] == "session/prompt"
    boxless = opened(a_stream(an_agent(profile=profile, permissions="auto")), modes={"currentModeId": "x"})
    assert access not in str(boxless.sent)


@pytest.mark.parametrize(
    ("result", "method", "params"),
    [
        ({"configOptions": [{"id": "m", "category": "model"}]}, "session/set_config_option", {"configId": "m"}),
        ({"models": {"currentModelId": "a"}}, "session/set_model", {"modelId": "large"}),
    ],
)
def test_the_model_is_set_as_the_agent_offers_it(result: Any, method: str, params: dict[str, str]) -> None:
    made = opened(a_stream(an_agent(model="small"), model="large"), **result)
    assert made.asked_for[-1] == method
    assert params.items() <= made.sent[-1]["params"].items() and "large" in made.sent[-1]["params"].values()
    made.answered(method, {})
    assert made.asked_for[-1] == "session/prompt"


@pytest.mark.parametrize("number", [1, "abc"])
def test_a_request_for_what_is_not_offered_is_refused_and_the_turn_goes_on(number: int | str) -> None:
    made = opened(a_stream())
    made.told({"id": number, "method": "fs/read_text_file", "params": {"path": "/etc/passwd"}})
    assert made.sent[-1]["id"] == number
    assert made.sent[-1]["error"]["code"] == -32601
    made.told({"method": "_somebody/notice", "params": {}})
    made.updated("s1", sessionUpdate="holiday_update", of=["its", "own"])
    made.updated("s1", sessionUpdate="tool_call", toolCallId="1", kind="dance", title="dance", status="in_progress")
    made.answered("session/prompt", {"stopReason": "end_turn"})
    assert finals(made)[0].ending is Ending.COMPLETED


def test_a_plan_becomes_lines_of_the_log() -> None:
    made = opened(a_stream())
    entries = [{"content": "look", "status": "completed"}, {"content": "paint", "status": "in_progress"}]
    made.updated("s1", sessionUpdate="plan", entries=entries)
    (plan,) = [event for event in made.events if isinstance(event, PlanReported)]
    assert log_text(plan, "") == "✓ look\n▸ paint\n"


def test_a_message_in_pieces_is_one_and_the_last_one_is_the_last_word() -> None:
    made = opened(a_stream())
    for text in ("I ", "look"):
        made.updated("s1", sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})
    made.updated("s1", sessionUpdate="tool_call", toolCallId="1", kind="read", rawInput={"path": "a.txt"})
    made.updated("s1", sessionUpdate="agent_message_chunk", content={"type": "text", "text": "Done."})
    made.answered("session/prompt", {"stopReason": "end_turn"})
    assert [event.text for event in made.events if isinstance(event, AgentText)] == ["I look", "Done."]
    assert finals(made)[0].text == "Done."


def test_words_about_a_limit_in_a_good_answer_are_no_limit() -> None:
    made = opened(a_stream(an_agent(profile="copilot")))
    made.updated("s1", sessionUpdate="tool_call", toolCallId="1", kind="read", rawInput={"path": "a.txt"})
    text = "I have handled the case.\nNow `Error: 429` is retried."
    made.updated("s1", sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})
    made.answered("session/prompt", {"stopReason": "end_turn"})
    assert finals(made)[0].ending is Ending.COMPLETED


def test_an_error_that_the_agent_has_got_over_is_not_its_end() -> None:
    made = opened(a_stream(an_agent(profile="copilot")))
    text = "Error: 429 You exceeded your current quota"
    made.updated("s1", sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})
    made.updated("s1", sessionUpdate="tool_call", toolCallId="1", kind="read", rawInput={"path": "a.txt"})
    made.answered("session/prompt", {"stopReason": "end_turn"})
    assert (finals(made)[0].ending, finals(made)[0].text) == (Ending.COMPLETED, "")


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("exceeded retry limit, last status: 429 Too Many Requests", Ending.LIMIT),
        ("Please run /login", Ending.AUTH),
        ("HTTP 503: service unavailable", Ending.NETWORK),
        ('{"steps": [{"name": "Add a rate limit"}]}', Ending.COMPLETED),
        ("I have looked at how the rate limit is kept. " + "It is. " * 80, Ending.COMPLETED),
        ("All done.", Ending.COMPLETED),
    ],
)
@pytest.mark.parametrize("has_worked", [True, False])
def test_a_turn_of_nothing_but_an_error_is_that_error(text: str, ending: Ending, has_worked: bool) -> None:
    made = opened(a_stream())
    if has_worked:
        made.updated("s1", sessionUpdate="tool_call", toolCallId="1", kind="read", rawInput={"path": "a.txt"})
    made.updated("s1", sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})
    made.answered("session/prompt", {"stopReason": "end_turn"})
    assert finals(made)[0].ending is (Ending.COMPLETED if has_worked else ending)


@pytest.mark.parametrize(
    ("reason", "ending"),
    [("max_tokens", Ending.CRASHED), ("max_turn_requests", Ending.BUDGET), ("refusal", Ending.GAVE_UP)],
)
def test_other_reasons_to_stop_are_no_success(reason: str, ending: Ending) -> None:
    made = opened(a_stream())
    made.answered("session/prompt", {"stopReason": reason})
    assert finals(made)[0].ending is ending


@pytest.mark.parametrize(
    ("settings", "tokens", "cost"),
    [
        ({}, 1050, 0),
        ({"prices": {"any": {"input": 1, "output": 10, "cached_input": 0.1}}}, 1050, 0.00123),
    ],
)
def test_tokens_have_a_price_where_the_settings_know_one(settings: Any, tokens: int, cost: float) -> None:
    made = prompted(a_stream(an_agent(profile="gemini", **settings)))
    usage = {"inputTokens": 1000, "outputTokens": 50, "totalTokens": 1050, "cachedReadTokens": 300}
    made.answered("session/prompt", {"stopReason": "end_turn", "usage": usage})
    assert (round(made.seen.totals.cost_usd, 9), made.seen.totals.tokens) == (cost, tokens)
    agent = an_agent(profile="gemini", **settings)
    assert bool(agent.cost_problem("")) is not bool(settings)


def test_another_currency_is_no_cost() -> None:
    made = opened(a_stream())
    for amount, currency in ((5, "EUR"), (float("nan"), "USD"), (-1, "USD")):
        made.updated("s1", sessionUpdate="usage_update", cost={"amount": amount, "currency": currency})
    assert made.seen.totals == Totals()


def asks(made: Played, **call: Any) -> None:
    options = [{"optionId": "yes", "kind": "allow_once"}, {"optionId": "no", "kind": "reject_once"}]
    params = {"sessionId": "s1", "toolCall": {"toolCallId": "t1", **call}, "options": options}
    made.told({"id": 7, "method": "session/request_permission", "params": params})


LISTED = [
    ({"kind": "execute", "rawInput": {"command": "git status --short"}}, True),
    ({"kind": "execute", "rawInput": {"command": "git commit -m 'it (a; b) works'"}}, True),
    ({"kind": "execute", "rawInput": {"command": ["git", "status"]}}, True),
    ({"kind": "execute", "title": "makima directive done"}, True),
    ({"kind": "execute", "rawInput": {"command": "make check | tail"}}, True),
    ({"kind": "execute", "rawInput": {"command": "npm test --all"}}, True),
    ({"kind": "read", "locations": [{"path": "/etc/hosts"}]}, True),
    ({"kind": "edit", "locations": [{"path": f"{WORKTREE}/a.txt"}]}, True),
    ({"kind": "edit", "locations": [{"path": "a.txt"}]}, True),
    ({"kind": "edit", "locations": [{"path": f"{WORKTREE}/../../etc/hosts"}]}, False),
    ({"kind": "edit", "locations": [{"path": f"{WORKTREE}shop/a"}]}, False),
    ({"kind": "edit"}, False),
    ({"kind": "execute", "rawInput": {"command": "git push"}}, False),
    ({"kind": "execute", "rawInput": {"command": "git config a b"}}, False),
    ({"kind": "execute", "rawInput": {"command": "git -c a=b status"}}, False),
    ({"kind": "execute", "rawInput": {"command": "git status; rm -rf ."}}, False),
    ({"kind": "execute", "rawInput": {"command": "git status&&curl x"}}, False),
    ({"kind": "execute", "rawInput": {"command": 'git log "$(curl x)"'}}, False),
    ({"kind": "execute", "rawInput": {"command": "git log `curl x`"}}, False),
    ({"kind": "execute", "rawInput": {"command": "git log\ncurl x"}}, False),
    ({"kind": "execute", "rawInput": {"command": "npm install"}}, False),
    ({"kind": "read", "rawInput": {"command": "curl x"}}, False),
    ({"kind": "fetch", "rawInput": {"url": "x"}}, False),
    ({"kind": "execute"}, False),
    ({}, False),
    ({"kind": "other", "title": "mcp__makima__add_step", "rawInput": {"name": "Walls"}}, True),
    ({"kind": "other", "title": "makima_done"}, True),
    ({"kind": "other", "title": "mcp__makima__done", "rawInput": {"command": "curl x"}}, False),
    ({"kind": "execute", "title": "makima_done"}, False),
    ({"title": "makima_done"}, False),
    ({"kind": "other", "title": "makima_done; curl x"}, False),
    ({"kind": "other", "title": "mcp__other__makima_done"}, False),
]


@pytest.mark.parametrize(("call", "allowed"), LISTED, ids=lambda value: str(value)[:60])
def test_the_list_of_what_may_be_done_is_the_same_as_everywhere(call: dict[str, Any], allowed: bool) -> None:
    agent = an_agent(permissions="deny", allow=["npm test"])
    made = opened(a_stream(agent, commands=("make check | tail",)))
    asks(made, **call)
    assert made.sent[-1]["result"]["outcome"] == {"outcome": "selected", "optionId": "yes" if allowed else "no"}
    assert bool([event for event in made.events if isinstance(event, Denied)]) is not allowed
    free = opened(a_stream(an_agent(permissions="auto"), boxed=True))
    asks(free, **call)
    assert free.sent[-1]["result"]["outcome"]["optionId"] == "yes", "inside of the sandbox"


def test_a_link_in_the_worktree_is_no_way_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "out").symlink_to("/etc")
    made = opened(a_stream(an_agent(permissions="deny"), worktree=tmp_path / "work"))
    asks(made, kind="edit", locations=[{"path": str(tmp_path / "work" / "out" / "hosts")}])
    assert made.sent[-1]["result"]["outcome"]["optionId"] == "no"


def test_what_is_not_listed_is_asked_where_the_settings_say_so() -> None:
    made = opened(a_stream(an_agent(permissions="ask")))
    asks(made, kind="execute", rawInput={"command": "npm install"})
    (asked,) = [event for event in made.events if isinstance(event, PermissionRequest)]
    assert (asked.tool, asked.about) == ("execute", "npm install")
    assert made.patience == 0, "it is not silent: a person is"
    reply = json.loads(made.stream.reply(asked, PermissionReply(True)))
    assert (reply["id"], reply["result"]["outcome"]["optionId"]) == (7, "yes")
    asks(made, kind="execute", rawInput={"command": "npm publish"})
    again = [event for event in made.events if isinstance(event, PermissionRequest)][-1]
    lines = made.stream.reply(again, PermissionReply(False, interrupt=True)).splitlines()
    assert json.loads(lines[0])["result"]["outcome"] == {"outcome": "cancelled"}
    assert json.loads(lines[1])["method"] == "session/cancel"


def test_silence_counts_only_while_it_waits_for_its_model() -> None:
    made = opened(a_stream(an_agent(silence_seconds=40)))
    assert made.patience == 0 or made.patience == 40
    made.updated("s1", sessionUpdate="tool_call", toolCallId="t", kind="execute", rawInput={"command": "make"})
    assert made.patience == 0, "a tool takes as long as it takes"
    made.updated("s1", sessionUpdate="tool_call_update", toolCallId="t", status="completed")
    assert made.patience == 40
    made.wake()
    assert finals(made)[0].ending is Ending.LIMIT


def unusable(made: Played) -> str:
    """Why it can't be used, as the task's daemon says it."""
    agent = an_agent()
    seen = made.seen
    with pytest.raises(CannotServe, match=r"'opencode' can't be used: ") as refused:
        agent.refuse(a_run(), ENDED, seen)
    assert "\n" not in str(refused.value)
    assert any(isinstance(event, MustEnd) for event in made.events)
    return str(refused.value)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"protocolVersion": 2}, "it speaks version 2 of the Agent Client Protocol, and Makima version 1"),
        ({"protocolVersion": "2026-01"}, "it speaks version 2026-01"),
        ({}, "its answer to initialize is not one"),
        ([], "its answer to initialize is not one"),
        (None, "its answer to initialize is not one"),
    ],
)
def test_another_protocol_is_refused_by_name(answer: object, reason: str) -> None:
    made = a_stream()
    made.answered("initialize", answer)
    assert reason in unusable(made)


@pytest.mark.parametrize("answer", [{}, {"sessionId": "-rf"}, {"sessionId": "a/b"}, {"sessionId": 7}, "s1", None])
def test_a_session_without_a_proper_name_is_none(answer: object) -> None:
    made = a_stream()
    made.answered("initialize", {"protocolVersion": 1})
    made.answered("session/new", answer)
    assert "its answer to session/new is not one" in unusable(made)


def test_a_setting_that_the_agent_refuses_is_said() -> None:
    made = opened(a_stream(an_agent(model="nowhere/none")), models={})
    made.told({"id": made.ids()["session/set_model"], "error": {"code": -32602, "message": "no such\nmodel"}})
    assert "it refuses session/set_model: no such model" in unusable(made)


@pytest.mark.parametrize(
    "lines",
    [
        ["hello"],
        ["{}", '{"jsonrpc": "2.0"}', "[]", "null", "7", '{"level": "info"}'],
        ["[" * 100_000],
        ['{"id": 1.5, "result": {}}', '{"id": true, "result": {}}', '{"id": [], "method": "x"}'],
        ['{"id": 99, "result": {"protocolVersion": 1}}'],
        ["[a line of 104857600 characters]"],
    ],
)
def test_junk_in_place_of_an_answer_ends_after_a_time(lines: list[str]) -> None:
    made = a_stream()
    for line in lines:
        made.line(line)
    assert not finals(made)
    made.wake()
    reason = unusable(made)
    assert "came in answer to initialize within 120 s" in reason
    assert ("a line of 104857600 characters" in reason) == ("a line" in lines[0])


def test_a_frame_that_is_too_long_is_not_read_and_what_follows_is() -> None:
    made = opened(a_stream())
    made.line("[a line of 104857600 characters]")
    made.answered("session/prompt", {"stopReason": "end_turn"})
    assert finals(made)[0].ending is Ending.COMPLETED
    silent = opened(a_stream())
    silent.line("[a line of 104857600 characters]")
    silent.wake()
    assert "a line of 104857600 characters] came, and nothing after it" in unusable(silent)


@pytest.mark.parametrize("result", [None, {}, {"stopReason": 7}, []])
def test_an_end_that_is_none_is_said(result: object) -> None:
    made = opened(a_stream())
    made.answered("session/prompt", result)
    assert "its answer to session/prompt is not one" in unusable(made)


@pytest.mark.parametrize("error", ["no", {}, 7, {"code": "x", "message": 5}])
def test_an_error_without_a_proper_shape_is_an_error(error: object) -> None:
    made = opened(a_stream())
    made.told({"id": made.ids()["session/prompt"], "error": error})
    assert finals(made)[0].ending is Ending.CRASHED


def test_one_that_dies_in_the_handshake_uses_no_attempt() -> None:
    end, agent = ProcessEnd(1, EndedBy.EXIT, ""), an_agent()
    with pytest.raises(CannotServe, match="exit code 1 before it had opened a session: no such option"):
        agent.refuse(a_run(), end, StreamSummary(complaints="no such\noption"))
    agent.refuse(a_run(session="s1"), end, StreamSummary())  # perhaps it is the session: another one is tried
    agent.refuse(a_run(), end, StreamSummary(session="s1"))
    agent.refuse(a_run(), end, StreamSummary(complaints="You are not logged in"))
    assert agent.judge(end, StreamSummary(complaints="You are not logged in")).ending is Ending.AUTH


LOST = {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32002, "message": "Resource not found"}},
        {"error": {"code": -32603, "message": "x"}},
        {"result": {"sessionId": "another"}},
    ],
)
def test_a_load_that_fails_is_followed_by_a_new_session(answer: dict[str, Any]) -> None:
    made = a_stream(session="s1")
    made.answered("initialize", LOST)
    made.told({"id": made.ids()["session/load"], **answer})
    assert finals(made)[0].ending is Ending.UNKNOWN_SESSION
    assert made.asked_for[-1] == "session/load", "it is asked nothing"


def test_a_load_that_is_called_good_and_tells_of_another_session_has_failed() -> None:
    made = a_stream(session="s1")
    made.answered("initialize", LOST)
    made.answered("session/load", {})
    made.updated("another", sessionUpdate="agent_message_chunk", content={"type": "text", "text": "hi"})
    assert finals(made)[0].ending is Ending.UNKNOWN_SESSION


def test_an_agent_that_keeps_no_sessions_begins_anew() -> None:
    made = a_stream(session="s1")
    made.answered("initialize", {"protocolVersion": 1})
    assert finals(made)[0].ending is Ending.UNKNOWN_SESSION


def test_what_it_says_after_its_end_changes_nothing() -> None:
    made = opened(a_stream())
    made.answered("session/prompt", {"stopReason": "end_turn"})
    made.updated("s1", sessionUpdate="agent_message_chunk", content={"type": "text", "text": "and"})
    made.updated("s1", sessionUpdate="tool_call", toolCallId="1", kind="read", rawInput={"path": "a"})
    made.updated("s1", sessionUpdate="usage_update", cost={"amount": 0.5, "currency": "USD"})
    assert (made.seen.final, made.seen.totals.cost_usd) == (finals(made)[0], 0.5)
    made.wake()
    assert len(finals(made)) == 1


def test_a_failed_tool_is_in_the_log() -> None:
    made = opened(a_stream())
    text = {"type": "content", "content": {"type": "text", "text": "no such file"}}
    made.updated("s1", sessionUpdate="tool_call", toolCallId="1", kind="read", title="Read a", status="pending")
    made.updated("s1", sessionUpdate="tool_call_update", toolCallId="1", status="failed", content=[text])
    assert [event for event in made.events if isinstance(event, ToolFailed)] == [ToolFailed("read", "no such file")]


def test_a_profile_that_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match=r"no profile is called 'opencod'; there are .*, opencode"):
        an_agent(profile="opencod")
