"""Recorded streams of the real programs, read complete, cut at every line and byte, and judged (rule 6.9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.agents.base import AgentResult, StreamSummary
from daemon.agents.claude.claude_stream import ClaudeStream
from daemon.agents.claude.token_count import ClaudeCount
from daemon.agents.codex.codex_stream import CodexStream
from daemon.agents.coding import judged
from daemon.agents.error_texts import ending_of, reset_time
from daemon.agents.event_folding import after
from daemon.agents.prices import Price
from daemon.agents.stream_events import (
    AgentText,
    Ending,
    Event,
    FileChanged,
    Final,
    Limited,
    PermissionReply,
    PermissionRequest,
    Printed,
    SessionStarted,
    Stream,
    ToolCalled,
    ToolFailed,
    Totals,
    Used,
    Warned,
)
from daemon.process.program import EndedBy, ProcessEnd
from domain.failures import FailureCategory

RECORDED = Path(__file__).parents[1] / "fixtures" / "agent_streams"
NOW = datetime(2026, 11, 22, 21, 40, tzinfo=UTC)
STREAMS = sorted(RECORDED.glob("*.jsonl"))


PRICE = Price(input=4, cached_input=0.2, cache_write=5, output=20)
"""By which the recorded streams of Claude Code were counted by itself."""


def stream_of(name: str, before: Totals | None = None, price: Price | None = PRICE, *, unsettled: float = 0) -> Stream:
    before = before or Totals()
    if name.startswith("codex"):
        return CodexStream(before, lambda: NOW, price)
    return ClaudeStream(ClaudeCount(before, lambda _: price, unsettled), lambda: NOW, talks=False)


def read(stream: Stream, lines: list[str]) -> list[Event]:
    return [event for line in lines for event in stream.read(line)]


def lines_of(name: str) -> list[str]:
    return (RECORDED / name).read_text().splitlines(keepends=True)


def seen_in(events: list[Event]) -> StreamSummary:
    seen = StreamSummary()
    for event in events:
        seen = after(seen, event)
    return seen


def end(exit_code: int = 0, ended_by: EndedBy = EndedBy.EXIT) -> ProcessEnd:
    return ProcessEnd(exit_code, ended_by, "")


def judged_stream(name: str, exit_code: int) -> AgentResult:
    return judged(end(exit_code), seen_in(read(stream_of(name), lines_of(name))))


@pytest.mark.rule("6.9")
@pytest.mark.parametrize(
    ("name", "exit_code", "ending", "category"),
    [
        ("claude_ok.jsonl", 0, Ending.COMPLETED, None),
        ("claude_denied.jsonl", 0, Ending.DENIED, None),
        ("claude_400.jsonl", 1, Ending.CONTEXT, FailureCategory.CONTEXT),
        ("claude_401.jsonl", 1, Ending.AUTH, FailureCategory.AUTH),
        ("claude_429.jsonl", 1, Ending.LIMIT, FailureCategory.AGENT),
        ("claude_429long.jsonl", 1, Ending.LIMIT, FailureCategory.AGENT),
        ("claude_529.jsonl", 1, Ending.LIMIT, FailureCategory.AGENT),
        ("claude_max_budget.jsonl", 1, Ending.BUDGET, FailureCategory.BUDGET),
        ("claude_max_turns.jsonl", 1, Ending.BUDGET, FailureCategory.BUDGET),
        ("codex_ok.jsonl", 0, Ending.COMPLETED, None),
        ("codex_401.jsonl", 1, Ending.AUTH, FailureCategory.AUTH),
        ("codex_429.jsonl", 1, Ending.LIMIT, FailureCategory.AGENT),
    ],
)
def test_a_recorded_run_is_judged_by_what_it_says(
    name: str, exit_code: int, ending: Ending, category: FailureCategory | None
) -> None:
    result = judged_stream(name, exit_code)
    assert (result.ending, result.failure and result.failure.category) == (ending, category)


def test_all_recorded_streams_of_these_agents_are_judged() -> None:
    assert len(STREAMS) == 12


def test_a_run_of_claude_is_told_in_our_words() -> None:
    events = read(stream_of("claude_ok.jsonl"), lines_of("claude_ok.jsonl"))
    command = "echo hi > hello.txt && git add -A && git -c user.name=a -c user.email=a@x commit -qm agent-commit"
    assert events == [
        SessionStarted("20a3091d-52a9-4f7f-ab69-cd2230b61781", "claude-opus-5-5"),
        Used(Totals(0.00576, 1535)),
        ToolCalled("Bash", command),
        FileChanged("/repo/worktree/hello.txt"),
        Used(Totals(0.01096, 3042)),
        AgentText("All done. hello.txt created."),
        Used(Totals(0.01212, 3100), session=Totals(0.01212), turns=2),
        Final(Ending.COMPLETED, "All done. hello.txt created."),
    ]


def test_a_run_of_codex_is_told_in_our_words() -> None:
    session, warned, called, *said = read(stream_of("codex_ok.jsonl"), lines_of("codex_ok.jsonl"))
    assert session == SessionStarted("01a203fa-0bf0-7b02-98cf-70c27209f66a")
    assert isinstance(warned, Warned)
    assert isinstance(called, ToolCalled)
    assert said == [
        AgentText("All done. hello.txt created."),
        Used(Totals(0.00772, 2100), session=Totals(0.00772, 2100)),
        Final(Ending.COMPLETED, "All done. hello.txt created."),
    ]


@pytest.mark.parametrize("file", STREAMS, ids=lambda file: file.stem)
def test_a_stream_cut_at_any_line_is_no_success(file: Path) -> None:
    lines = lines_of(file.name)
    for count in range(len(lines)):
        events = read(stream_of(file.name), lines[:count])
        assert not any(isinstance(event, Printed) for event in events)
        if not any(isinstance(event, Final) for event in events):
            for ended in (end(0), end(137), end(143, EndedBy.NO_OUTPUT), end(143, EndedBy.TIME_LIMIT)):
                result = judged(ended, seen_in(events))
                assert result.failure
                assert result.ending in (Ending.CRASHED, Ending.HUNG, Ending.KILLED)


@pytest.mark.parametrize("file", ["claude_ok.jsonl", "codex_ok.jsonl"])
def test_a_stream_cut_at_any_byte_is_no_success_and_breaks_nothing(file: str) -> None:
    whole = (RECORDED / file).read_bytes()
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    # The first line of Claude's is long, and cut anywhere it is the same: every 50th byte of it is enough.
    for cut in [*range(0, len(whole) // 2, 50), *range(len(whole) // 2, len(whole.rstrip(b"\n")))]:
        text = whole[:cut].decode(errors="replace")
        events = read(stream_of(file), text.splitlines(keepends=True))
        assert judged(end(0), seen_in(events)).failure
        if cut > last:
            assert isinstance(events[-1], Printed)


@given(st.text(), st.booleans())
def test_nonsense_is_printed_and_raises_nothing(text: str, codex: bool) -> None:
    for event in stream_of("codex" if codex else "claude").read(text):
        assert event == Printed(text)


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"result"}',
        '{"type":"result","usage":null}',
        '{"type":"assistant","message":{"content":[{"type":"text","text":7}]}}',
        '{"type":"user","message":{"content":"plain"},"tool_use_result":[1,2]}',
        '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1e300}}',
        '{"type":"system","subtype":"something new","session_id":null}',
        '{"type":"control_request","request_id":"1","request":{"subtype":"hook_callback"}}',
        '{"type":"turn.completed","usage":{"input_tokens":"many"}}',
        '{"type":"item.completed","item":{"type":"file_change","changes":[{"path":"a"}]}}',
        "[" * 100_000,
        '{"type":"a kind that came later"}',
        "\ud800",
    ],
)
def test_lines_of_other_shapes_break_nothing(line: str) -> None:
    for name in ("claude", "codex"):
        stream_of(name).read(line)


@pytest.mark.rule("5.6")
def test_the_reset_time_of_an_account_is_found() -> None:
    at = datetime(2026, 11, 22, 23, 40, 5, tzinfo=UTC)
    event = f'{{"type":"rate_limit_event","rate_limit_info":{{"status":"rejected","resetsAt":{at.timestamp()}}}}}'
    final = '{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"5-hour limit"}'
    events = read(stream_of("claude"), [event, final])
    assert Limited(at) in events
    assert judged(end(1), seen_in(events)).until == at
    allowed = '{"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","resetsAt":1}}'
    assert stream_of("claude").read(allowed) == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("You've hit your 5-hour limit · resets 11:40pm (UTC)", NOW.replace(hour=23)),
        ("You’ve hit your usage limit. Upgrade to Pro (https://x) or try again at 11:40 PM.", NOW.replace(hour=23)),
        ("try again at 8:05 AM.", NOW.replace(day=23, hour=8, minute=5)),
        ("try again at Nov 25th, 2026 3:40 PM.", NOW.replace(day=25, hour=15)),
        ("resets Jan 2, 9am", datetime(2027, 1, 2, 9, tzinfo=UTC)),
        ("Claude AI usage limit reached|1795390805", datetime.fromtimestamp(1795390805, tz=UTC)),
        ("resets 6:40pm (America/New_York)", NOW.replace(hour=23)),
        ("resets 8am (Asia/Tokyo)", NOW.replace(hour=23, minute=0)),
        ("resets 23:40", NOW.replace(hour=23)),
        ("resets 9:35pm", NOW.replace(minute=35)),
        ("resets Nov 22, 9:30pm", NOW.replace(minute=30)),
        ("resets 27:40", None),
        ("Rate limit reached. Please try again in 6m0s.", NOW + timedelta(minutes=6)),
        ("try again in 1 hour and 5 minutes", NOW + timedelta(hours=1, minutes=5)),
        ("retry-after: 120\nbye", NOW + timedelta(seconds=120)),
        ("Please retry in 38.2s.", NOW + timedelta(seconds=38.2)),
        ("try again in 99999999 days", NOW + timedelta(days=60)),
        ("resets 2026-11-22T23:40:00Z", NOW.replace(hour=23)),
        ("try again at 2026-11-23 00:40 +01:00", NOW.replace(hour=23)),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", datetime(2026, 12, 1, tzinfo=UTC)),
        ("You're out of extra usage · resets 11:40pm", NOW.replace(hour=23)),
        ("try again at 2026-13-40 00:40", None),
        ("limit will reset at 11:40 p.m.", NOW.replace(hour=23)),
        ("Limite atteinte, réessayez à 23h40", NOW.replace(hour=23)),
        ("wieder verfügbar ab 23:40 Uhr", NOW.replace(hour=23)),
        ("inténtalo de nuevo a las 23:40", NOW.replace(hour=23)),
        ("try again at Feb 31st, 2026 3:40 PM.", None),
        ("try again later", None),
    ],
)
def test_a_reset_time_is_read_from_words(text: str, at: datetime | None) -> None:
    assert reset_time(text, NOW) == at


def test_a_reset_time_of_day_is_the_next_one() -> None:
    assert reset_time("resets 9:10pm", NOW) == NOW + timedelta(days=1, minutes=-30)
    assert reset_time("resets 9:40pm", NOW) == NOW, "it is over"
    assert reset_time("resets 9:40pm (Middle/Earth)", NOW) is not None


@pytest.mark.parametrize(
    ("text", "status", "ending"),
    [
        ('Internal error {"details": "401 Incorrect API key provided: x."}', None, Ending.AUTH),
        ("API key not valid. Please pass a valid API key.", 400, Ending.AUTH),
        ("The input token count (12) exceeds the maximum number of tokens allowed (8).", 400, Ending.CONTEXT),
        ("unexpected status 401 Unauthorized: invalid x-api-key", None, Ending.AUTH),
        ("Not logged in · Please run /login", None, Ending.AUTH),
        ("Your refresh token was revoked. Please log out and sign in again.", None, Ending.AUTH),
        ("Your credit balance is too low", 400, Ending.AUTH),
        ("exceeded retry limit, last status: 429 Too Many Requests", None, Ending.LIMIT),
        ("Quota exceeded. Check your plan and billing details.", None, Ending.AUTH),
        ("429 insufficient_quota: You exceeded your current quota", 429, Ending.AUTH),
        ("You exceeded your current quota, check your plan and billing. Please retry in 38s.", 429, Ending.LIMIT),
        ("Your account has been suspended", None, Ending.AUTH),
        ("RESOURCE_EXHAUSTED", None, Ending.LIMIT),
        ("The server is busy, please try later", None, Ending.LIMIT),
        ('{"type":"error","error":{"type":"rate_limit_error"}}', None, Ending.LIMIT),
        ("HTTP 529", None, Ending.LIMIT),
        ("Error 529", None, Ending.LIMIT),
        ("HTTP/1.1 502", None, Ending.NETWORK),
        ("upstream connect error or disconnect/reset before headers", None, Ending.NETWORK),
        ("API Error: 529 Overloaded. This is a server-side issue", 529, Ending.LIMIT),
        ("Selected model is at capacity. Please try a different model.", None, Ending.LIMIT),
        ("We are out of capacity right now", None, Ending.LIMIT),
        ("API Error: 500 boom. This is a server-side issue", 500, Ending.NETWORK),
        ("API Error: Connection dropped (ECONNRESET).", None, Ending.NETWORK),
        ("We’re currently experiencing high demand, which may cause temporary errors.", None, Ending.NETWORK),
        ("stream disconnected before completion: error sending request", None, Ending.NETWORK),
        ("ThrottlingException: Too many tokens, please wait before trying again.", None, Ending.LIMIT),
        ("ThrottlingException: Rate exceeded", None, Ending.LIMIT),
        ("You've reached your Opus limit · resets Dec 1", None, Ending.LIMIT),
        ("You're out of extra usage · resets 3pm", None, Ending.LIMIT),
        ("You've used all your included usage", None, Ending.LIMIT),
        ("You have exhausted your capacity on this model. Your quota will reset after 3h12m5s.", None, Ending.LIMIT),
        ("Model capacity exceeded", None, Ending.LIMIT),
        ("429 Client Error for url: https://api.example", None, Ending.LIMIT),
        ("status_code=429", None, Ending.LIMIT),
        ("Your organization has hit its monthly spend limit", None, Ending.AUTH),
        ("<title>503 Service Temporarily Unavailable</title>", None, Ending.NETWORK),
        ("ServiceUnavailableException: Bedrock is unable to process your request.", None, Ending.NETWORK),
        ("The server had an error while processing your request", None, Ending.NETWORK),
        ("ModelNotReadyException: Model is not ready for inference", None, Ending.NETWORK),
        ("EDQUOT: disk quota exceeded, write", None, Ending.CRASHED),
        ("fork: Resource temporarily unavailable", None, Ending.CRASHED),
        ("No space left on device", None, Ending.CRASHED),
        ("assert response.status == 429", None, Ending.CRASHED),
        ("ENOENT: no such file or directory, open 'capacity.txt'", None, Ending.CRASHED),
        ("Codex ran out of room in the model's context window. Start a new thread", None, Ending.CONTEXT),
        ("Prompt is too long · the request is ~250000 tokens", 400, Ending.CONTEXT),
        ("No conversation found with session ID: 20a3", None, Ending.UNKNOWN_SESSION),
        ("thread/resume failed: no rollout found for thread id 01a2 (code -32600)", None, Ending.UNKNOWN_SESSION),
        ("panicked at src/main.rs", None, Ending.CRASHED),
    ],
)
def test_trouble_is_known_by_its_status_and_words(text: str, status: int | None, ending: Ending) -> None:
    assert ending_of(text, status) is ending


@pytest.mark.parametrize(
    ("fields", "ending"),
    [
        ('"is_error":true,"subtype":"error_of_a_new_kind"', Ending.CRASHED),
        ('"subtype":"error_of_a_new_kind"', Ending.CRASHED),
        (
            '"is_error":true,"subtype":null,"errors":[{"new":"x"}],"usage":7,"permission_denials":"x"',
            Ending.CRASHED,
        ),
        ('"result":"half of a character: \\ud83d","total_cost_usd":"much","num_turns":null', Ending.COMPLETED),
        ('"result":"whole: \\ud83d\\ude00 and escaped: \\\\ud83d"', Ending.COMPLETED),
    ],
)
def test_a_final_event_of_another_shape_is_still_one(fields: str, ending: Ending) -> None:
    seen = seen_in(stream_of("claude").read(f'{{"type":"result",{fields}}}'))
    assert seen.final
    assert seen.final.ending is ending


def test_half_a_character_hides_nothing_that_codex_says() -> None:
    line = '{"type":"item.completed","item":{"type":"agent_message","text":"cut \\ud83d"}}'
    assert stream_of("codex").read(line) == [AgentText("cut \N{REPLACEMENT CHARACTER}")]


def test_a_limit_is_one_in_any_language() -> None:
    event = '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected"}}'
    final = '{"type":"result","subtype":"success","is_error":true,"result":"Ihr Kontingent ist aufgebraucht"}'
    assert judged(end(1), seen_in(read(stream_of("claude"), [event, final]))).ending is Ending.LIMIT


def test_a_turn_that_begins_after_the_final_event_is_not_over() -> None:
    lines = [*lines_of("claude_ok.jsonl"), *lines_of("claude_ok.jsonl")[1:2]]
    assert judged(end(0), seen_in(read(stream_of("claude"), lines))).ending is Ending.CRASHED


def test_a_final_event_counts_though_the_process_had_to_be_killed() -> None:
    seen = seen_in(read(stream_of("claude_ok.jsonl"), lines_of("claude_ok.jsonl")))
    assert judged(end(137, EndedBy.LINGERED), seen).is_completed
    assert judged(end(3), seen).ending is Ending.CRASHED


def test_an_interrupted_agent_has_not_completed_though_its_exit_code_is_0() -> None:
    line = '{"type":"result","subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_tools"}'
    seen = seen_in(stream_of("claude").read(line))
    assert judged(end(0), seen).ending is Ending.KILLED
    assert judged(end(0, EndedBy.TIME_LIMIT), seen).failure is not None


def test_an_unknown_session_is_known_by_what_codex_says_on_stderr() -> None:
    seen = StreamSummary(complaints="Error: thread/resume failed: no rollout found for thread id 01a2 (code -32600)")
    assert judged(end(1), seen).ending is Ending.UNKNOWN_SESSION


@pytest.mark.parametrize("file", STREAMS, ids=lambda file: file.stem)
@pytest.mark.parametrize("price", [PRICE, None], ids=["priced", "unpriced"])
def test_a_stream_cut_at_any_line_has_used_something_and_never_more_than_it_tells_at_its_end(
    file: Path, price: Price | None
) -> None:
    lines = lines_of(file.name)
    told = seen_in(read(stream_of(file.name, price=price), lines)).totals
    before = Totals()
    for count in range(len(lines)):
        so_far = seen_in(read(stream_of(file.name, price=price), lines[:count])).totals
        assert before.tokens <= so_far.tokens <= told.tokens
        assert before.cost_usd <= so_far.cost_usd <= told.cost_usd
        before = so_far
    if told.tokens and file.name.startswith("claude"):
        assert before.tokens > 0.8 * told.tokens
        assert before.cost_usd == pytest.approx(told.cost_usd if price else 0, rel=0.2)


@pytest.mark.parametrize("price", [PRICE, None], ids=["priced", "unpriced"])
@pytest.mark.parametrize("is_in_the_session", [True, False])
def test_a_run_that_was_cut_at_any_line_is_counted_once_over_its_resume(
    is_in_the_session: bool, price: Price | None
) -> None:
    """Claude Code counts a run that SIGTERM ended in what its session has cost, and one that SIGKILL ended not."""
    lines = lines_of("claude_ok.jsonl")
    for count in range(len(lines)):
        first = seen_in(read(stream_of("claude", price=price), lines[:count]))
        cost = 0.00606 * (count > 1) + 0.00606 * (count > 3)
        total = 0.01212 + cost * is_in_the_session
        resumed = [*lines[:-1], lines[-1].replace('"total_cost_usd":0.01212', f'"total_cost_usd":{total}')]
        second = seen_in(read(stream_of("claude", price=price, unsettled=first.totals.cost_usd), resumed))
        assert second.totals.tokens == 3100
        together = first.totals.cost_usd + second.totals.cost_usd
        assert together == pytest.approx(total if is_in_the_session else first.totals.cost_usd + 0.01212)


def test_a_resume_of_a_run_that_came_to_its_end_is_counted_by_the_difference() -> None:
    lines = lines_of("claude_ok.jsonl")
    first = seen_in(read(stream_of("claude"), lines))
    resumed = [*lines[:-1], lines[-1].replace('"total_cost_usd":0.01212', '"total_cost_usd":0.02424')]
    second = seen_in(read(stream_of("claude", first.session_totals), resumed))
    assert second.totals == first.totals == first.settled == Totals(0.01212, 3100)


def test_one_answer_of_the_model_in_several_lines_is_counted_once() -> None:
    usage = '"usage":{"input_tokens":1000,"cache_creation_input_tokens":200,"output_tokens":1}'
    line = '{{"type":"assistant","message":{{"id":"{}","model":"m","content":[{{"type":"text","text":"{}"}}],{}}}}}'
    lines = [line.format("a", "x" * 40, usage), line.format("a", "x" * 40, usage), line.format("b", "", usage)]
    assert seen_in(read(stream_of("claude"), lines)).totals.tokens == 1220 + 1201


def test_what_subagents_and_further_turns_of_a_run_used_is_counted() -> None:
    models = '"model_usage_since_last_result":{"a":{"inputTokens":900,"costUSD":0.5},"b":{"outputTokens":100}}'
    first = f'{{"type":"result","total_cost_usd":0.5,"num_turns":2,"usage":{{"input_tokens":10}},{models}}}'
    second = '{"type":"result","total_cost_usd":0.5,"num_turns":1,"model_usage_since_last_result":{}}'
    seen = seen_in(read(stream_of("claude"), [first, second]))
    assert (seen.totals, seen.turns) == (Totals(0.5, 1000), 3)


def test_an_answer_after_a_result_adds_itself_alone() -> None:
    lines = lines_of("claude_ok.jsonl")
    later = lines[1].replace('"id":"msg_', '"id":"msg_later_')
    assert later != lines[1]
    seen = seen_in(read(stream_of("claude"), [*lines, later]))
    assert (seen.totals.tokens, seen.settled.tokens) == (3100 + 1535, 3100)


def test_a_version_that_tells_only_what_its_session_cost_is_counted_by_the_difference() -> None:
    line = '{"type":"result","total_cost_usd":0.03,"usage":{"input_tokens":100,"output_tokens":5}}'
    used = seen_in(stream_of("claude", Totals(0.01, 200)).read(line)).totals
    assert (round(used.cost_usd, 6), used.tokens) == (0.02, 105)
    anew = seen_in(stream_of("claude", Totals(0.04, 200)).read(line)).totals
    assert (round(anew.cost_usd, 6), anew.tokens) == (0.03, 105)


def test_what_a_thread_of_codex_used_is_counted_from_where_it_was() -> None:
    events = read(stream_of("codex_ok.jsonl", Totals(0.004, 1000)), lines_of("codex_ok.jsonl"))
    seen = seen_in(events)
    assert (round(seen.totals.cost_usd, 6), seen.totals.tokens) == (0.00372, 1100)
    assert seen.session_totals == Totals(0.00772, 2100)
    assert Totals(0.03, 500).since(Totals(0.01, 200)) == Totals(0.03 - 0.01, 300)
    assert Totals(0.001, 50).since(Totals(0.01, 200)) == Totals(0.001, 50)


def test_leave_for_a_tool_is_asked_and_answered() -> None:
    line = (
        '{"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","tool_name":"Bash",'
        '"input":{"command":"npm  test\\nnow"}}}'
    )
    stream = ClaudeStream(ClaudeCount(Totals(), lambda _: None), lambda: NOW, talks=True)
    (asked,) = stream.read(line)
    assert isinstance(asked, PermissionRequest)
    assert (asked.request, asked.tool, asked.about) == ("r1", "Bash", "npm test now")
    assert '"behavior": "allow", "updatedInput": {"command": "npm  test\\nnow"}' in stream.reply(
        asked, PermissionReply(True)
    )
    denied = stream.reply(asked, PermissionReply(False, "no", interrupt=True))
    assert '"behavior": "deny", "message": "no", "interrupt": true' in denied
    assert denied.endswith("\n")
    assert stream.prompt("do it") == '{"type": "user", "message": {"role": "user", "content": "do it"}}\n'


def test_a_tool_that_fails_is_told_with_its_name() -> None:
    events = read(stream_of("claude_denied.jsonl"), lines_of("claude_denied.jsonl"))
    assert [event.tool for event in events if isinstance(event, ToolFailed)] == ["Bash"]


@pytest.mark.parametrize(
    "named", ["--dangerously-skip-permissions", "-c", "", " a", "a b", "a\n--x", "../a", "a" * 201, "é"]
)
def test_a_session_that_could_be_an_option_is_none(named: str) -> None:
    """Whatever an agent runs can write a line to its stdout; the next run has the session among its arguments."""
    begun = after(StreamSummary(), SessionStarted("0199-a_b.c"))
    assert begun.session == "0199-a_b.c"
    assert after(begun, SessionStarted(named)).session == "0199-a_b.c"
