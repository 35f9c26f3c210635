"""What is sent over the Agent Client Protocol, judged by the models that its own library makes of its schema."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.acp_player import Played, a_stream, an_agent
from tests.needs import lack

MODELS = {
    "initialize": "InitializeRequest",
    "session/new": "NewSessionRequest",
    "session/load": "LoadSessionRequest",
    "session/resume": "ResumeSessionRequest",
    "session/set_mode": "SetSessionModeRequest",
    "session/prompt": "PromptRequest",
    "session/cancel": "CancelNotification",
}
ANSWER = "RequestPermissionResponse"


@pytest.fixture
def schema() -> Any:
    try:
        return importlib.import_module("acp.schema")
    except ImportError:
        lack("agent-client-protocol is missing: make install")


def everything_said() -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    kinds: tuple[dict[str, Any], ...] = ({"loadSession": True}, {"sessionCapabilities": {"resume": {}}})
    for capabilities in kinds:
        for session in ("", "s1"):
            made = Played(a_stream(an_agent(profile="gemini", permissions="allow"), session=session).stream)
            made.answered("initialize", {"protocolVersion": 1, "agentCapabilities": capabilities})
            made.answered(made.asked_for[-1], {"sessionId": "s1"})
            if "session/load" in made.asked_for:
                made.wake()
            made.answered("session/set_mode", {})
            options = [{"optionId": "yes", "kind": "allow_once"}]
            params = {"sessionId": "s1", "toolCall": {"toolCallId": "t"}, "options": options}
            made.told({"id": 7, "method": "session/request_permission", "params": params})
            said += made.sent
            said.append({"method": "session/cancel", "params": {"sessionId": "s1"}})
    return said


def test_everything_that_is_sent_is_of_the_protocols_schema(schema: Any) -> None:
    said = everything_said()
    methods = {each["method"] for each in said if "method" in each}
    assert methods == set(MODELS)
    for each in said:
        model = getattr(schema, MODELS[each["method"]] if "method" in each else ANSWER)
        model.model_validate(each["params"] if "method" in each else each["result"])


@pytest.mark.parametrize("method", MODELS)
def test_the_models_can_tell_what_is_wrong(schema: Any, method: str) -> None:
    with pytest.raises(ValueError):
        getattr(schema, MODELS[method]).model_validate({"sessionId": 1})
