"""Setup, verify and the files of a machine (rule 6.5), on a daemon with real git and processes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.agents.shell import ShellAgent
from daemon.git.repositories import Repositories
from daemon.settings import load_daemon_settings
from daemon.workspace.copied_files import CopiedFile
from daemon.workspace.project import ProjectFile, parsed
from domain.directive_settings import Limits
from domain.errors import CannotServe, RepositoryError, SettingsError
from domain.failures import FailureCategory
from domain.spawn_task import ContinueFrom, Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.integration.deliveries import OneDaemon

pytestmark = pytest.mark.rule("6.5")
GitCommand = Callable[..., str]
Committer = Callable[..., str]


class Steps:
    """Runs steps, each a shell script in place of an agent, on the origin's branch `main`."""

    def __init__(self, daemon: OneDaemon) -> None:
        self.daemon = daemon

    async def does(self, script: str, /, kind: TaskKind = TaskKind.STEP, **fields: object) -> Outcome:
        base = await self.daemon.base()
        given = {"task": uuid4(), "step_name": "A step", "base_commit": base, "target_branch": "makima/step"}
        return await self.daemon.does(script, kind, **{**given, **fields})

    @property
    def log(self) -> str:
        newest = max(self.daemon.tasks.glob("*/task/log.txt"), key=lambda path: path.stat().st_mtime_ns)
        return newest.read_text()


@pytest.fixture
def steps(tmp_path: Path, repositories: Repositories, origin: Path) -> Steps:
    return Steps(OneDaemon(tmp_path, repositories, origin))


async def test_setup_runs_before_the_agent_and_what_it_leaves_is_not_committed(
    steps: Steps, commit: Committer, git: GitCommand, origin: Path
) -> None:
    commit({".makima.toml": 'setup = ["mkdir parts && echo made > parts/one", "echo hello"]'}, branch="main")
    done = await steps.does("cat parts/one; cp parts/one result; echo more > parts/two")
    assert done.work
    assert git(origin, "diff-tree", "-r", "--name-only", "--no-commit-id", done.work.head) == "result"
    assert steps.log.splitlines() == [
        "[makima] setup: mkdir parts && echo made > parts/one",
        "[makima] setup: echo hello",
        "hello",
        "made",
    ]


async def test_an_agent_that_only_finds_what_setup_has_made_has_done_nothing(steps: Steps) -> None:
    done = await steps.does("true", setup=("echo made > part",))
    assert done.failure
    assert done.failure.category is FailureCategory.NO_RESULT


async def test_a_setup_that_fails_sends_the_task_to_another_daemon(steps: Steps, origin: Path, git: GitCommand) -> None:
    token = "ghp_" + "a1B2" * 9
    with pytest.raises(
        CannotServe, match=r"setup failed: `echo nothing .*; exit 3` ended with exit code 3: nothing \*"
    ):
        await steps.does("touch never", setup=("true", f"echo nothing {token}; exit 3", "touch never"))
    assert git(origin, "for-each-ref", "refs/makima", "refs/heads/makima") == ""


async def test_a_setup_has_its_own_time(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.tasks.beginning.SETUP_LIMIT", timedelta(seconds=0.3))
    with pytest.raises(CannotServe, match="setup failed: `sleep 60` stopped: time limit"):
        await steps.does("true", setup=("sleep 60",))


async def test_the_directives_own_commands_take_the_place_of_the_files(steps: Steps, commit: Committer) -> None:
    commit({".makima.toml": 'setup = ["false"]\nverify = ["test -f theirs"]'}, branch="main")
    done = await steps.does("touch ours", setup=("true",), verify=("test -f ours",))
    assert done.status is OutcomeStatus.COMPLETED
    assert (await steps.does("touch ours", setup=("true",))).failure


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("setup = 'npm ci'", r"setup: .*valid tuple"),
        ("setup = ['']", r"setup\.0: .*not empty"),
        ("setpu = []", "line 1: setpu: there is no such key; .setup. perhaps"),
        ("setup = [", "is not TOML"),
    ],
)
async def test_a_file_that_makes_no_sense_fails_the_task_in_one_line(
    steps: Steps, commit: Committer, text: str, reason: str
) -> None:
    commit({".makima.toml": text}, branch="main")
    done = await steps.does("touch result")
    assert done.failure
    assert done.failure.category is FailureCategory.REPOSITORY
    assert "\n" not in done.failure.report
    with pytest.raises(RepositoryError, match=f"^here:? .*{reason}"):
        parsed(text.encode(), "here")


def test_a_file_without_anything_in_it_asks_for_nothing() -> None:
    assert parsed(b"", "here") == ProjectFile()


async def test_work_that_does_not_pass_goes_back_with_the_output_and_passes_then(
    steps: Steps, commit: Committer, git: GitCommand, origin: Path
) -> None:
    commit(
        {".makima.toml": """verify = ["grep -q good result || { echo 'not good'; touch rubbish; exit 1; }"]"""},
        branch="main",
    )
    script = 'cat > prompt; if grep -q "not good" prompt; then echo good; else echo bad; fi > result; rm prompt'
    done = await steps.does(script, prompt="Write the result")
    assert done.status is OutcomeStatus.COMPLETED
    assert done.work
    assert git(origin, "show", "makima/step:result") == "good"
    assert done.work.commits == 2
    assert git(origin, "ls-tree", "--name-only", "makima/step").splitlines() == [".makima.toml", "README", "result"]


async def test_what_stays_out_of_commits_is_still_there_in_the_next_round(steps: Steps) -> None:
    script = "if test -e .env; then echo good; else echo bad; fi > result; touch .env"
    done = await steps.does(script, verify=("touch rubbish && grep -q good result",))
    assert done.status is OutcomeStatus.COMPLETED
    assert done.work
    assert done.work.commits == 2


async def test_after_three_rounds_the_attempt_fails_with_the_output(
    steps: Steps, origin: Path, git: GitCommand
) -> None:
    done = await steps.does("echo again >> result", verify=("true", "wc -l < result; exit 1"))
    assert done.failure
    assert done.failure.category is FailureCategory.VERIFY
    assert done.failure.report == "verify: `wc -l < result; exit 1` ended with exit code 1\n4\n"
    assert done.work  # for the next attempt to look at
    assert git(origin, "for-each-ref", "refs/heads/makima") == ""


async def test_an_agent_that_cannot_be_told_anything_is_not_asked_again(steps: Steps) -> None:
    steps.daemon.more["agents"] = {"scripted": ShellAgent(kind="shell")}
    done = await steps.does("", script="echo again >> result", verify=("wc -l < result; exit 1",))
    assert done.failure
    assert done.failure.report.endswith("\n1\n")


async def test_what_verify_sees_is_the_commit_that_is_pushed_whatever_it_does_itself(
    steps: Steps, git: GitCommand, origin: Path
) -> None:
    verify = ('test -z "$(git status --porcelain)"', "git commit --quiet --allow-empty -m sneaked && touch more")
    done = await steps.does("echo mine > result", verify=verify)
    assert done.status is OutcomeStatus.COMPLETED
    assert git(origin, "log", "--format=%s", "-1", "makima/step") == "A step"


async def test_an_agent_that_edits_the_file_gains_nothing(
    steps: Steps, commit: Committer, git: GitCommand, origin: Path
) -> None:
    commit({".makima.toml": 'verify = ["test -f result"]'}, branch="main")
    edits = "echo 'verify = []' > .makima.toml; git add -A; git commit -qm easier || true"
    first = await steps.does(edits)
    assert first.failure
    assert first.failure.category is FailureCategory.VERIFY
    # Nor does the step that builds on such work, nor the one that brings it all together.
    base = await steps.daemon.base()
    easier = commit({".makima.toml": "verify = []"}, branch="makima/easier")
    head = ContinueFrom(task=uuid4(), name="easier", branch="makima/easier", commit=easier)
    second = await steps.does("touch other", base_commit=base, continue_from=head)
    assert second.failure
    assert second.failure.category is FailureCategory.VERIFY
    third = await steps.does(
        "true", TaskKind.COMPLETION, target_branch="makima/directive", merge=(head,), base_commit=""
    )
    assert third.failure
    assert third.failure.category is FailureCategory.VERIFY


async def test_a_merge_without_conflict_is_set_up_and_verified_without_an_agent(
    steps: Steps, commit: Committer, git: GitCommand, origin: Path
) -> None:
    commit({".makima.toml": 'setup = ["touch ready"]\nverify = ["test -f ready && test -f wing"]'}, branch="main")
    wing = commit({"wing": "w"}, branch="makima/wing")
    head = ContinueFrom(task=uuid4(), name="wing", branch="makima/wing", commit=wing)
    done = await steps.does("exit 9", TaskKind.COMPLETION, target_branch="makima/directive", merge=(head,))
    assert done.status is OutcomeStatus.COMPLETED
    assert git(origin, "ls-tree", "--name-only", "makima/directive").splitlines() == [".makima.toml", "README", "wing"]


async def test_a_planner_needs_no_setup_and_nothing_is_verified(steps: Steps) -> None:
    done = await steps.does("true", TaskKind.PLANNING, setup=("exit 1",), verify=("exit 1",))
    assert done.status is OutcomeStatus.COMPLETED


async def test_the_time_limit_holds_for_the_agent_and_verify_together(steps: Steps) -> None:
    limits = Limits(time=timedelta(seconds=2))
    done = await steps.does("touch result", verify=("sleep 60",), limits=limits)
    assert done.failure
    assert done.failure.category is FailureCategory.TIME_LIMIT
    assert "verify: sleep 60" in steps.log


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "settings of this machine"
    file.write_text("port = 1\n")
    return file


async def test_a_file_of_the_machine_is_there_for_setup_and_agent_and_never_committed(
    steps: Steps, secret: Path, git: GitCommand, origin: Path
) -> None:
    steps.daemon.more["copy_files"] = (
        CopiedFile(source=secret, target="config/.env [test]"),
        CopiedFile(source=secret, target="elsewhere", repository="https://host/other.git"),
    )
    done = await steps.does('cp "config/.env [test]" result; test ! -e elsewhere', setup=('cat "config/.env [test]"',))
    assert done.work
    assert git(origin, "diff-tree", "-r", "--name-only", "--no-commit-id", done.work.head) == "result"
    assert "port = 1" in steps.log


async def test_an_agent_that_commits_it_all_the_same_fails_and_nothing_of_it_is_pushed(
    steps: Steps, secret: Path, git: GitCommand, origin: Path
) -> None:
    steps.daemon.more["copy_files"] = (CopiedFile(source=secret, target=".env"),)
    script = "git add -f .env; git commit -qm oops; git rm -q --cached .env"
    done = await steps.does(script)
    assert done.failure
    assert "one of .env was committed" in done.failure.report
    assert not done.work
    assert "port = 1" not in git(origin, "log", "--all", "-p", "--format=%H")


async def test_the_repositorys_own_file_is_not_covered(
    steps: Steps, secret: Path, git: GitCommand, origin: Path
) -> None:
    steps.daemon.more["copy_files"] = (CopiedFile(source=secret, target="README"),)
    assert (await steps.does("cp README copy")).work
    assert git(origin, "show", "makima/step:copy") == "hello"
    assert "[makima] copy_files: README is the repository's own here, and stays as it is" in steps.log


async def test_a_link_in_the_repository_leads_no_file_out_of_the_worktree(
    steps: Steps, secret: Path, git: GitCommand, origin: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    blob = git(origin, "hash-object", "-w", "--stdin", stdin=str(outside))
    tree = git(origin, "mktree", stdin=f"120000 blob {blob}\tconfig\n")
    git(origin, "update-ref", "refs/heads/main", git(origin, "commit-tree", tree, "-p", "main", "-m", "link"))
    steps.daemon.more["copy_files"] = (CopiedFile(source=secret, target="config/.env"),)
    with pytest.raises(CannotServe, match=r"copy_files: config/\.env leads out of the worktree"):
        await steps.does("true")
    assert not list(outside.iterdir())


async def test_a_file_that_is_not_there_is_the_machines_trouble(steps: Steps, tmp_path: Path) -> None:
    steps.daemon.more["copy_files"] = (CopiedFile(source=tmp_path / "gone", target=".env"),)
    with pytest.raises(CannotServe, match=r"copy_files: .*gone can't be laid at .env: No such file"):
        await steps.does("true")


@pytest.mark.parametrize("target", ["/etc/passwd", "../out", ".git/config", "a/.GIT/hooks", "", "."])
def test_a_target_outside_of_the_worktree_is_refused(tmp_path: Path, target: str) -> None:
    file = tmp_path / "daemon.toml"
    file.write_text(f'name = "box"\n[[copy_files]]\nfrom = "/x"\nto = "{target}"\n')
    with pytest.raises(SettingsError, match=r"copy_files\.0\.to: "):
        load_daemon_settings(file)
