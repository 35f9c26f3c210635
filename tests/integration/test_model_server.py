"""The fake model server: each API as their clients read them, replies in their order, errors as the real ones."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.model_server import ROOT, ModelServer, conversation, error, shell, turn, write

MESSAGES, RESPONSES, COMPLETIONS = "/v1/messages", "/v1/responses", "/v1/chat/completions"
GEMINI, GEMINI_WHOLE = "/v1beta/models/m:streamGenerateContent?alt=sse", "/v1beta/models/m:generateContent"
TOOLS = {MESSAGES: ["Bash", "Write"], RESPONSES: ["exec_command"]}


@pytest.fixture(scope="module")
def models() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def asked(path: str, *said: str, tools: bool = True, stream: bool = True) -> dict[str, Any]:
    """A request as the agent of that API makes it, the user having said these."""
    spoken = [{"type": "message", "role": "user", "content": [{"type": "text", "text": text}]} for text in said]
    offered = [{"type": "function", "name": name} for name in TOOLS[path]] if tools else []
    return {"model": "m", "stream": stream, "tools": offered, "messages": spoken, "input": spoken}


def asked_completions(*said: str, tools: tuple[str, ...] = ("bash",), stream: bool = True) -> dict[str, Any]:
    offered = [{"type": "function", "function": {"name": name}} for name in tools]
    spoken = [{"role": "system", "content": "MARK"}, *({"role": "user", "content": text} for text in said)]
    return {"model": "m", "messages": spoken, "tools": offered, "stream": stream}


def asked_gemini(*said: str, tools: tuple[str, ...] = ("run_shell_command",)) -> dict[str, Any]:
    spoken = [{"role": "user", "parts": [{"text": text} for text in said]}]
    declared = [{"functionDeclarations": [{"name": name} for name in tools]}] if tools else []
    return {"contents": spoken, "tools": declared, "systemInstruction": {"parts": [{"text": "MARK"}]}}


def chunks(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream whose events have no names."""
    data = [block.removeprefix("data: ") for block in filter(None, answer.text.split("\n\n"))]
    return [json.loads(each) for each in data if each != "[DONE]"]


def ask(models: ModelServer, path: str, *said: str, **options: bool) -> httpx.Response:
    return httpx.post(models.url + path, json=asked(path, *said, **options), headers={"x-api-key": "k"})


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream, each named by its type."""
    found = []
    for block in filter(None, answer.text.split("\n\n")):
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_a_message_is_streamed_block_by_block(models: ModelServer) -> None:
    models.says("MARK", [turn("Look", shell("ls"), usage={"input": 7, "output": 3})])
    streamed = events(ask(models, MESSAGES, "a reminder", "do MARK"))
    kinds = [each["type"].removeprefix("content_block_") for each in streamed]
    assert kinds == ["message_start", *["start", "delta", "stop"] * 2, "message_delta", "message_stop"]
    assert streamed[0]["message"]["usage"]["input_tokens"] == 7
    assert streamed[2]["delta"]["text"] == "Look"
    assert json.loads(streamed[5]["delta"]["partial_json"])["command"] == "ls"
    assert streamed[7]["delta"]["stop_reason"] == "tool_use"
    assert streamed[7]["usage"]["output_tokens"] == 3


def test_a_response_is_streamed_item_by_item(models: ModelServer) -> None:
    models.says("MARK", [turn("Look", shell("ls"), usage={"input": 7, "output": 3})])
    streamed = events(ask(models, RESPONSES, "an environment", "do MARK"))
    assert [each["type"] for each in streamed] == [
        "response.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_item.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.completed",
    ]
    called = streamed[5]["item"]
    assert (called["name"], json.loads(called["arguments"])) == ("exec_command", {"cmd": "ls"})
    assert streamed[-1]["response"]["usage"]["total_tokens"] == 10


@pytest.mark.parametrize("path", [MESSAGES, RESPONSES])
def test_a_reply_is_given_whole_to_who_does_not_stream(models: ModelServer, path: str) -> None:
    models.says("MARK", [turn("Done")])
    answer = ask(models, path, "do MARK", stream=False).json()
    assert "Done" in json.dumps(answer.get("content") or answer.get("output"))


def test_a_file_is_written_with_the_agents_own_tool(models: ModelServer) -> None:
    models.says("MARK", [turn("", write("a.txt", "one\n"))] * 2)
    message = ask(models, MESSAGES, "MARK", stream=False).json()
    assert message["content"][0]["input"] == {"file_path": "a.txt", "content": "one\n"}
    response = ask(models, RESPONSES, "MARK", stream=False).json()
    assert "*** Add File: a.txt\n+one\n" in json.loads(response["output"][0]["arguments"])["cmd"]


def test_a_completion_is_streamed_in_chunks(models: ModelServer) -> None:
    models.says("MARK", [turn("Look", shell("ls"), usage={"input": 7, "cache_read": 2, "output": 3}), turn("Done")])
    answer = httpx.post(models.url + COMPLETIONS, json=asked_completions("do MARK"))
    assert answer.text.endswith("data: [DONE]\n\n")
    role, said, called, ended, used = chunks(answer)
    assert role["choices"][0]["delta"]["role"] == "assistant"
    assert said["choices"][0]["delta"]["content"] == "Look"
    (call,) = called["choices"][0]["delta"]["tool_calls"]
    assert (call["index"], call["function"]["name"]) == (0, "bash")
    assert json.loads(call["function"]["arguments"])["command"] == "ls"
    assert ended["choices"][0]["finish_reason"] == "tool_calls"
    assert (used["usage"]["total_tokens"], used["usage"]["prompt_tokens_details"]["cached_tokens"]) == (10, 2)
    whole = httpx.post(models.url + COMPLETIONS, json=asked_completions("do MARK", stream=False)).json()
    assert (whole["choices"][0]["message"]["content"], whole["choices"][0]["finish_reason"]) == ("Done", "stop")


def test_gemini_streams_text_calls_and_an_end(models: ModelServer) -> None:
    models.says("MARK", [turn("Look", write("a b.txt", "one\n"), usage={"input": 7, "output": 3}), turn("Done")])
    answer = httpx.post(models.url + GEMINI, json=asked_gemini("do MARK"), headers={"x-goog-api-key": "k"})
    said, called, ended = chunks(answer)
    assert said["candidates"][0]["content"]["parts"] == [{"text": "Look"}]
    (part,) = called["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["name"] == "run_shell_command"
    assert part["functionCall"]["args"]["command"] == "printf %s 'one\n' > 'a b.txt'"
    assert (ended["candidates"][0]["finishReason"], ended["usageMetadata"]["totalTokenCount"]) == ("STOP", 10)
    whole = httpx.post(models.url + GEMINI_WHOLE, json=asked_gemini("do MARK")).json()
    assert whole["candidates"][0]["content"]["parts"] == [{"text": "Done"}]
    assert [(each.asked.model, each.asked.credential) for each in models.received] == [("m", "k"), ("m", "")]
    assert httpx.post(f"{models.url}/v1beta/models/m:countTokens", json=asked_gemini("MARK")).json()["totalTokens"] > 0


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("unauthorized", 400, "API_KEY_INVALID"),
        ("rate_limit", 429, "Please retry in 7200s."),
        ("usage_limit", 429, '"retryDelay":"7200s"'),
        ("overloaded", 503, "UNAVAILABLE"),
        ("too_long", 400, "exceeds the maximum number of tokens"),
    ],
)
def test_gemini_words_an_error_as_google_does(models: ModelServer, kind: str, status: int, words: str) -> None:
    models.says("MARK", [error(kind, retry_after=7200)])
    refused = httpx.post(models.url + GEMINI, json=asked_gemini("MARK"))
    assert (refused.status_code, words in refused.text) == (status, True), refused.text
    models.says("MARK", [{"reply": "cut", "text": "I begin"}])
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(models.url + GEMINI, json=asked_gemini("MARK"))


def test_each_conversation_gets_its_own_replies_in_their_order(models: ModelServer) -> None:
    models.plays(conversation("ONE", [turn("1a"), turn("1b")]), conversation("TWO", [turn("2a")]))
    texts = [
        ask(models, MESSAGES, mark, stream=False).json()["content"][0]["text"] for mark in ("ONE", "TWO and ONE", "TWO")
    ]
    assert texts == ["1a", "1b", "2a"]
    assert ask(models, MESSAGES, "ONE").status_code == 400
    assert ask(models, MESSAGES, "THREE").status_code == 400
    played = models.played()
    assert [each.answered for each in played.received] == ["turn"] * 3 + ["nothing"] * 2
    assert [each.conversation for each in played.received] == ["ONE", "ONE", "TWO", "ONE", None]
    assert {each.asked.credential for each in played.received} == {"k"}


def test_an_aside_uses_nothing_up(models: ModelServer) -> None:
    models.says("MARK", [turn("Done")])
    assert ask(models, MESSAGES, "a title for MARK", tools=False).status_code == 200
    assert models.played().left == {"MARK": 1}


@pytest.mark.parametrize(
    ("kind", "path", "status", "words"),
    [
        ("too_long", MESSAGES, 400, "prompt is too long: 250000 tokens > 200000 maximum"),
        ("too_long", RESPONSES, 200, "context_length_exceeded"),
        ("unauthorized", MESSAGES, 401, "authentication_error"),
        ("unauthorized", RESPONSES, 401, "invalid_api_key"),
        ("rate_limit", MESSAGES, 429, "rate_limit_error"),
        ("usage_limit", RESPONSES, 429, "usage_limit_reached"),
        ("server_error", MESSAGES, 500, "api_error"),
        ("overloaded", MESSAGES, 529, "overloaded_error"),
        ("overloaded", RESPONSES, 503, "server_is_overloaded"),
    ],
)
def test_an_error_is_worded_as_by_the_api(models: ModelServer, kind: str, path: str, status: int, words: str) -> None:
    models.says("MARK", [error(kind, times=2), turn("Done")])
    for _ in range(2):
        refused = ask(models, path, "MARK")
        assert refused.status_code == status
        assert words in refused.text
    assert "Done" in ask(models, path, "MARK").text


def test_a_limit_names_its_reset_as_the_api_does(models: ModelServer) -> None:
    models.says("MARK", [error("usage_limit", retry_after=3, resets_in=7200)] * 2)
    headers = ask(models, MESSAGES, "MARK").headers
    assert headers["retry-after"] == "3"
    assert 7190 < int(headers["anthropic-ratelimit-unified-reset"]) - time.time() <= 7200
    about = ask(models, RESPONSES, "MARK").json()["error"]
    assert 7190 < about["resets_at"] - time.time() <= 7200


@pytest.mark.parametrize("path", [MESSAGES, RESPONSES])
def test_a_connection_is_cut_in_the_middle_of_a_reply(models: ModelServer, path: str) -> None:
    models.says("MARK", [{"reply": "cut", "text": "I begin"}])
    with pytest.raises(httpx.RemoteProtocolError):
        ask(models, path, "MARK")


@pytest.mark.parametrize("path", [MESSAGES, RESPONSES])
def test_a_hang_ends_when_the_agent_leaves(models: ModelServer, path: str) -> None:
    models.says("MARK", [{"reply": "hang", "text": "I begin"}])
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(models.url + path, json=asked(path, "MARK"), timeout=0.5)
    assert models.received[0].answered == "hang"


def test_a_script_that_is_none_is_refused_with_its_field(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    file.write_text('{"conversations": [{"match": "x", "replies": [{"reply": "error", "error": "tired"}]}]}')
    argv = [sys.executable, "-m", "fakes.models", "--script", str(file)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "conversations.0.replies.0.error.error" in done.stderr
    assert "Traceback" not in done.stderr
