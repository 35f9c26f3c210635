"""What is wrong with a daemon's settings is said of the field that was meant."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daemon.settings import DaemonSettings
from domain.problems import first_problem


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"allow_local_repositories": ["here"]}, "allow_local_repositories.0: Value error, here must begin with"),
        ({"allow_local_repositories": 3}, "allow_local_repositories: Input should be a valid boolean"),
        ({"agents": {"x": {"kind": "acp", "profile": {}}}}, "agents.x.acp.profile.command: Field required"),
        (
            {"agents": {"x": {"kind": "acp", "profile": {"command": ["our-agent"], "limit": {"patterns": ["("]}}}}},
            "agents.x.acp.profile.limit.patterns.0: Value error, '(' is no regular expression",
        ),
        ({"agents": {"x": {"kind": "acp", "profile": 7}}}, "agents.x.acp.profile: Input should be a valid string"),
    ],
)
def test_of_several_types_the_one_that_was_meant_is_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DaemonSettings.model_validate({"name": "here", **given})
    assert first_problem(refused.value).startswith(told)
