"""Doctor on a real machine: real programs, a real repository, a server that isn't there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.doctor.checks import KNOWN, Wanted
from daemon.doctor.examination import Examination
from daemon.home import open_home
from daemon.process.run import run
from daemon.settings import DaemonSettings, load_daemon_settings
from domain.errors import NotReachable
from domain.health_report import Check, Health, Verdict
from tests.fixtures_forges import Site
from tests.model_server import ROOT

GitCommand = Callable[..., str]
Committer = Callable[..., str]

ON_THE_MACHINE = Wanted()

CLAUDE = f"""#!/bin/sh
case "$*" in
  --version) echo "{KNOWN["claude"].tested} (Claude Code)";;
  "auth status") test -f "$LOGIN";;
  *) echo "doctor spends nothing" >&2; exit 99;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for the PATH, with a `claude` that answers as the real one and is logged in where $LOGIN exists."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "claude").write_text(CLAUDE)
    (folder / "claude").chmod(0o755)
    return folder


async def there() -> None:
    pass


async def away() -> None:
    raise NotReachable("no stack is running: start one with `python starter.py up`")


async def examined(tmp_path: Path, programs: Path, wanted: Wanted = ON_THE_MACHINE, **variables: str) -> Health:
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "LOGIN": str(tmp_path / "login"), **variables}
    claude = {"kind": "command", "argv": ["claude", "-p"], "env": env}
    agents = {"claude": claude, "missing": {"kind": "command", "argv": ["no-such-agent"]}}
    own = DaemonSettings.model_validate(
        {
            "name": "here",
            "serves": ["claude", "missing"],
            "agents": agents,
            "allow_local_repositories": True,
            "local_hooks": True,
            "find_tool_chains": False,  # those of whoever runs the tests
        }
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    return await Examination(own, tmp_path / "data", environ, there).examine(wanted)


def verdicts(health: Health) -> dict[str, Verdict]:
    return {check.about: check.verdict for check in health.checks}


async def test_each_thing_is_looked_at(tmp_path: Path, programs: Path) -> None:
    health = await examined(tmp_path, programs)
    seen = {about: verdict for about, verdict in verdicts(health).items() if about != "node"}
    assert seen | {"sandbox": Verdict.OK, "door": Verdict.OK} == {
        "git": Verdict.OK,
        "git identity": Verdict.OK,
        "agent claude": Verdict.OK,
        "agent claude: login": Verdict.FAILED,
        "agent missing": Verdict.FAILED,
        "sandbox": Verdict.OK,
        "door": Verdict.OK,
        "tool chains": Verdict.OK,
        "disk": Verdict.OK,
        "Temporal": Verdict.OK,
    }
    assert not health.is_good


async def test_a_login_and_a_key_both_do(tmp_path: Path, programs: Path) -> None:
    given = await examined(tmp_path, programs, ANTHROPIC_API_KEY="k")
    (tmp_path / "login").touch()
    logged_in = await examined(tmp_path, programs)
    assert verdicts(given)["agent claude: login"] is verdicts(logged_in)["agent claude: login"] is Verdict.OK


async def test_a_limit_of_cost_that_can_not_be_kept_is_told(tmp_path: Path) -> None:
    price = {"input": 1.25, "output": 10}
    codex = {"kind": "codex", "program": "no-such-codex", "model": "gpt-5"}
    agents = {"codex": codex, "priced": {**codex, "prices": {"gpt-5": price}}, "claude": {**codex, "kind": "claude"}}
    own = DaemonSettings.model_validate({"name": "here", "serves": list(agents), "agents": agents})
    health = await Examination(own, tmp_path / "data", {"PATH": os.environ["PATH"]}, there).examine(Wanted())
    told = [check for check in health.checks if check.about.endswith(": cost")]
    assert [(check.about, check.verdict) for check in told] == [("agent codex: cost", Verdict.WARNING)]
    assert "[agents.codex.prices.'gpt-5']" in told[0].remedy


async def test_a_server_that_is_away_is_one_line(tmp_path: Path) -> None:
    own = DaemonSettings(name="here")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    health = await Examination(own, tmp_path / "data", environ, away).examine(Wanted())
    assert [check.about for check in health.checks if check.verdict is Verdict.FAILED] == ["Temporal"]


async def test_a_repository_is_asked_without_a_trace(
    tmp_path: Path, programs: Path, origin: Path, git: GitCommand
) -> None:
    before = git(origin, "for-each-ref")
    health = await examined(tmp_path, programs, Wanted(str(origin)))
    assert verdicts(health)["repository"] is Verdict.OK
    assert "refs" not in verdicts(health)
    pushed = await examined(tmp_path, programs, Wanted(str(origin), push=True))
    assert pushed.checks[-1].found == "refs/makima/* are taken"
    assert git(origin, "for-each-ref") == before


async def test_a_remote_that_takes_no_refs_is_found_out(
    tmp_path: Path, programs: Path, origin: Path, git: GitCommand
) -> None:
    (origin / "hooks").mkdir(exist_ok=True)
    hook = origin / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/makima/*) exit 1;; esac\n')
    hook.chmod(0o755)
    health = await examined(tmp_path, programs, Wanted(str(origin), push=True))
    assert "makima-state/* are taken" in health.checks[-1].found
    assert "makima-state" not in git(origin, "for-each-ref")


async def test_a_repository_that_is_not_there_is_told_with_its_remedy(tmp_path: Path, programs: Path) -> None:
    health = await examined(tmp_path, programs, Wanted(str(tmp_path / "nowhere")))
    assert health.checks[-1].verdict is Verdict.FAILED
    assert "nowhere" in health.checks[-1].found


def test_the_command_prints_lines_or_json_and_exits_with_1(tmp_path: Path) -> None:
    settings = tmp_path / "daemon.toml"
    settings.write_text('name = "here"\nserves = ["missing"]\n[agents.missing]\nkind = "command"\nargv = ["no-such"]\n')
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKIMA_", "TEMPORAL_"))}
    env = {**kept, "MAKIMA_DAEMON_CONFIG": str(settings), "MAKIMA_DATA_DIR": str(tmp_path / "data")}
    argv = [sys.executable, "-m", "daemon", "doctor"]
    lines = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert lines.returncode == 1
    assert lines.stderr == ""
    assert "failed   agent missing" in lines.stdout
    shown = subprocess.run(
        [*argv, "--json"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert "agent missing" in {check["about"] for check in json.loads(shown.stdout)["checks"]}


async def test_agents_are_looked_for_on_the_path_of_the_daemon_that_runs(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "daemon.toml"
    settings.write_text('name = "here"\nserves = ["mine"]\n[agents.mine]\nkind = "command"\nargv = ["claude", "-p"]\n')
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKIMA_", "TEMPORAL_"))}
    path = os.pathsep.join(each for each in kept["PATH"].split(os.pathsep) if not os.access(f"{each}/claude", os.X_OK))
    env = {**kept, "PATH": path, "MAKIMA_DAEMON_CONFIG": str(settings), "MAKIMA_DATA_DIR": str(tmp_path / "data")}

    async def doctor() -> dict[str, dict[str, str]]:
        argv = (sys.executable, "-m", "daemon", "doctor", "--json")
        told = await run(argv, cwd=ROOT, env=env, timeout=120)
        return {check["about"]: check for check in json.loads(told.text)["checks"]}

    before = await doctor()
    assert before["agent mine"]["verdict"] == "failed"
    assert "no daemon of this name runs" in before["PATH"]["found"]
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{path}")
    await open_home(tmp_path / "data", load_daemon_settings(settings), is_daemon=True)
    found = await doctor()
    assert found["agent mine"]["verdict"] == "ok"
    assert f"the running daemon's: {programs}" in found["PATH"]["found"]


FEATURES_ALONE = (
    '#!/bin/sh\ncase "$1" in refs/heads/feature/*|refs/makima/*) exit 0;; esac\necho "feature/ alone" >&2\nexit 1\n'
)


@pytest.mark.parametrize("way", ["path", "url"])
async def test_branches_are_tried_as_the_directive_or_the_repository_wants_them(
    tmp_path: Path, programs: Path, origin: Path, git: GitCommand, commit: Committer, way: str
) -> None:
    (origin / "hooks").mkdir(exist_ok=True)
    (origin / "hooks" / "update").write_text(FEATURES_ALONE)
    (origin / "hooks" / "update").chmod(0o755)
    before = git(origin, "for-each-ref")
    at = str(origin) if way == "path" else f"file://{origin}"

    async def found(**options: str) -> dict[str, Check]:
        health = await examined(tmp_path, programs, Wanted(at, push=True, **options))
        return {check.about: check for check in health.checks}

    plain = await found()
    assert plain["branches"].verdict is Verdict.FAILED
    assert "refs/heads/makima/push-check" in plain["branches"].found and "feature/ alone" in plain["branches"].found
    assert (await found(branch_prefix="feature/"))["branches"].verdict is Verdict.OK
    assert git(origin, "for-each-ref") == before

    commit({".makima.toml": 'branch_prefix = "feature/"\n', "large": "x" * 100_000}, branch="feature/settings")
    assert (await found())["branches"].verdict is Verdict.FAILED, "it is the base branch's that counts"
    settled = await found(base_branch="feature/settings")
    assert settled["branches"].found == "feature/… are taken"
    assert "a push of feature/… would be taken" in settled["repository"].found
    missing = await found(base_branch="nowhere")
    assert missing[".makima.toml"].verdict is Verdict.FAILED and "no branch 'nowhere'" in missing[".makima.toml"].found
    commit({".makima.toml": "branch_prefix = 3\n"}, branch="feature/broken")
    broken = (await found(base_branch="feature/broken"))[".makima.toml"]
    assert broken.verdict is Verdict.FAILED and "branch_prefix" in broken.found


async def test_of_a_remote_repository_comes_one_file_of_the_base_branch(
    tmp_path: Path, programs: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over http, where the rest of the commit's files is promised and not fetched."""
    site.commit("main", {".makima.toml": 'branch_prefix = "feature/"\n', "large": os.urandom(2_000_000).hex()})
    url = site.repository.clone_url
    answer = f"!f() {{ echo username=ann; echo password={site.forge.token}; }}; f"
    (tmp_path / ".gitconfig").write_text(f'[credential]\n\thelper = "{answer}"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    await site.forge.forget_requests()
    health = await examined(tmp_path, programs, Wanted(url))
    (found,) = [check for check in health.checks if check.about == "repository"]
    assert "a push of feature/… would be taken" in found.found, health
    sent = await site.forge.requests(method="POST", path=".*git-upload-pack")
    assert 2 <= len(sent) <= 4, "the refs, the commit and one file"


def test_a_prefix_that_no_branch_can_have_is_refused_in_one_line(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-m", "daemon", "doctor", "--repository", "x", "--branch-prefix=../x")
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "one that can is feature/" in done.stderr
