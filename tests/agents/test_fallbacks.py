"""Claude Code begins a step and can't go on; Codex finishes it, through the whole system (rule 5.9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.conftest import servers, site  # noqa: F401 (fixtures)
from tests.acceptance.stack import Site
from tests.agents.acp_settings import claude_env
from tests.agents.conftest import MARK, codex_config
from tests.model_server import ModelServer, conversation, error, turn, write

TAKEN_ON = "Agent claude had this task before you"
USED_UP = error("usage_limit", times=99, resets_in=7200)
WRONG = error("bad_request", times=99)


def claude(program: str, url: str) -> str:
    """Lines of a daemon's settings."""
    env = "".join(f"{name} = {json.dumps(value)}\n" for name, value in claude_env(url).items())
    return (
        f'[agents.claude]\nkind = "claude"\nprogram = {json.dumps(program)}\npermissions = "allow"\nenv.X = "1"\n'
        + ("".join(f"env.{line}\n" for line in env.splitlines()))
    )


def codex(program: str, url: str) -> str:
    config = "".join(f"config.{json.dumps(name)} = {json.dumps(text)}\n" for name, text in codex_config(url).items())
    told = f'[agents.codex]\nkind = "codex"\nprogram = {json.dumps(program)}\npermissions = "allow"\n'
    return f'{told}env.OPENAI_API_KEY = "of-no-use"\n{config}'


@pytest.mark.timeout(900)
@pytest.mark.rule("5.9")
@pytest.mark.parametrize(
    ("trouble", "apart", "attempts"),
    [
        pytest.param(USED_UP, False, 1, id="its account is used up"),
        pytest.param(USED_UP, True, 1, id="the next is on another daemon"),
        pytest.param(WRONG, False, 2, id="it fails by itself"),
    ],
)
def test_the_next_agent_goes_on_where_the_first_had_to_stop(
    trouble: dict[str, Any],
    apart: bool,
    attempts: int,
    site: Site,  # noqa: F811
    programs: dict[str, str],
    models: ModelServer,
) -> None:
    models.plays(
        conversation(TAKEN_ON, [turn("", write("back.txt", "red\n")), turn("It is painted.")]),
        conversation(MARK, [turn("First the front.", write("front.txt", "red\n")), trouble]),
    )
    first, second = claude(programs["claude"], models.url), codex(programs["codex"], models.url)
    site.worker()
    if apart:
        site.daemon("one", further=first, also=("claude",))
        site.daemon("two", further=second, also=("codex",))
    else:
        site.daemon("one", further=first + second, also=("claude", "codex"))
    origin, plan = make_origin(site.folder), site.folder / "plan.json"
    plan.write_text(json.dumps({"steps": [{"name": "paint", "task_plan": f"{MARK}, front and back."}]}))
    about = ("--title", "A house", "--goal", "It is red", "--repo", str(origin), "--plan", str(plan), "--on", "any")
    by = ("--agents", "claude,codex", "--fallback-after", "0", "--max-attempts", "1", "--timings", "fast")
    shown = site.starter("start", *about, *by, "--wait", "--json").json()
    assert shown["status"] == "idle", site.starter("history", shown["id"]).out
    (step,) = shown["steps"]
    assert (step["status"], step["agent"], step["attempt"]) == ("completed", "codex", attempts)
    assert set(step["by_agent"]) == {"claude", "codex"}
    assert step["by_agent"]["claude"]["tokens"] > 0
    for name in ("front.txt", "back.txt"):
        assert git(origin, "show", f"{shown['pr']['branch']}:{name}") == "red", "nothing was done twice, or lost"
    (told,) = {said for each in models.received for said in each.asked.said if TAKEN_ON in said}
    assert ("parked" if attempts == 1 else "failed") in told.split("What it has done")[0], "it is told why"
    status, costs, body = (site.starter(command, shown["id"]).out for command in ("status", "costs", "body"))
    assert "by codex in place of claude" in status
    (row,) = [line for line in body.splitlines() if line.startswith("| paint ")]
    for name in ("claude", "codex"):
        assert name in row
        assert f"{name} (" in costs or f"by {name}" in costs
    assert "by ," not in costs, "what needs no agent is by none"
