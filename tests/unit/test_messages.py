"""What crosses versions between core and daemon (rule 5.2): whichever of the two is upgraded first reads the other."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from domain.daemon_messages import Artifact, DaemonReport, LogChunk
from domain.models import Question, Work
from domain.progress import Progress
from domain.spawn_task import Outcome, SpawnTask, TaskStarted

pytestmark = pytest.mark.rule("5.2")

MESSAGES = (SpawnTask, Outcome, Progress, TaskStarted, Question, DaemonReport, LogChunk, Artifact)


@pytest.mark.parametrize("message", MESSAGES)
def test_no_part_of_a_message_refuses_a_field_that_a_newer_version_has_added(message: type[BaseModel]) -> None:
    schema: dict[str, Any] = message.model_json_schema(mode="validation")
    parts = {message.__name__: schema, **schema.get("$defs", {})}
    assert [name for name, part in parts.items() if part.get("additionalProperties") is False] == []


def test_what_workers_of_before_refuse_is_written_only_where_it_says_something() -> None:
    work = Work(branch="b", base="c" * 40, head="d" * 40, commits=1)
    report = DaemonReport(owner="o", name="n", version="1", agents=(), capacity=1)
    assert "left_out" not in work.model_dump_json() and "features" not in report.model_dump_json()
    assert "left_out" in work.model_copy(update={"left_out": ("a",)}).model_dump_json()
    assert "features" in report.model_copy(update={"features": ("a",)}).model_dump_json()
