"""What an agent plants in its repository, or takes hold of in its sandbox (issue 11, number 2).

Nothing of it runs as the daemon, and nothing that lies outside comes in.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from daemon.process.run import run
from daemon.saving.rescue import Rescue
from domain.failures import FailureCategory
from domain.spawn_task import OutcomeStatus
from tests.attacks.test_rescue import Left, left
from tests.integration.conftest import Committer, GitCommand, steps
from tests.integration.deliveries import Steps
from tests.integration.test_sandbox import SandboxMaker, Task, data, make_sandbox, make_task, task
from tests.needs import need

__all__ = ["data", "left", "make_sandbox", "make_task", "steps", "task"]  # fixtures

COMMANDS = (
    *("core.sshCommand", "core.pager", "core.editor", "core.askPass", "core.gitProxy", "core.alternateRefsCommand"),
    *("sequence.editor", "diff.external", "gpg.program", "gpg.ssh.program", "credential.helper", "pager.log"),
    *("interactive.diffFilter", "uploadpack.packObjectsHook", "remote.origin.uploadpack", "remote.origin.receivepack"),
    *("hook.planted.command", "trailer.planted.command", "trailer.planted.cmd", "tar.planted.command"),
    *("lfs.customtransfer.planted.path", "lfs.extension.planted.clean", "submodule.sub.update"),
)
"""What git, or Git LFS, would run."""
FURTHER = {
    "commit.gpgSign": "true",
    "push.gpgSign": "if-asked",
    "log.showSignature": "true",
    "merge.verifySignatures": "true",
    "protocol.allow": "always",
    "protocol.ext.allow": "always",
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.procReceiveRefs": "refs",
    "hook.planted.event": "pre-commit",
    "lfs.standalonetransferagent": "planted",
    "lfs.concurrenttransfers": "1",
    "diff.planted.textconv": "TRAP",
    "diff.planted.command": "TRAP",
    "merge.planted.driver": "TRAP",
    "filter.planted.clean": "TRAP",
    "filter.planted.smudge": "TRAP",
    "filter.planted.process": "TRAP",
    "remote.origin.url": "ext::TRAP",
    "remote.origin.fetch": "+refs/*:refs/*",
    "url.ext::TRAP.insteadOf": "file:",
    "core.hooksPath": "HOOKS",
    "core.fsmonitor": "TRAP",
    "include.path": "INCLUDED",
    "includeIf.gitdir:/.path": "INCLUDED",
    "extensions.worktreeConfig": "true",
}
HOOKS = (
    *("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-checkout", "post-merge", "pre-push"),
    *(
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "reference-transaction",
        "pre-auto-gc",
        "post-index-change",
    ),
    *("pre-rebase", "post-rewrite", "proc-receive", "push-to-checkout", "sendemail-validate", "fsmonitor-watchman"),
    *("applypatch-msg", "pre-applypatch", "post-applypatch", "pre-merge-commit"),
)


def planted(sprung: Path, *, worktree: str = "") -> str:
    """A script that plants all of it beside work of its own; what runs writes its environment to `sprung`."""
    trap = f"#!/bin/sh\n(echo \"$0 $*\"; env) >> '{sprung}' 2>/dev/null\ncat\n"
    settings = {**dict.fromkeys(COMMANDS, "TRAP"), **FURTHER}
    config = "\n".join(f"git config --file planted {name!r} {value!r}" for name, value in settings.items())
    return f"""
umask 022
cat > trap <<'END'
{trap}
END
chmod +x trap
{config}
git config --file included core.fsmonitor TRAP; git config --file included core.pager TRAP
mkdir hooks; for hook in {" ".join(HOOKS)}; do cp trap hooks/$hook; done
git init --quiet sub; echo s > sub/s; git -C sub add s; git -C sub -c user.name=a -c user.email=a@b commit --quiet -m s
for at in planted included; do
    sed -i "s#TRAP#$PWD/trap#; s#HOOKS#$PWD/hooks#; s#INCLUDED#$PWD/included#" $at
done
echo work > work.txt; git add work.txt; git commit --quiet -m work
mkdir -p .git/info; printf '* filter=planted diff=planted merge=planted\\n' > .git/info/attributes
cp hooks/* .git/hooks/ 2>/dev/null || cp -r hooks .git/hooks
cp hooks/* sub/.git/hooks/ 2>/dev/null || cp -r hooks sub/.git/hooks
cat planted >> .git/config; cat planted >> sub/.git/config; cp planted .git/config.worktree
case "$HOME" in */task/*) cp planted "$HOME/.gitconfig" ;; esac
{f"git config core.worktree {worktree}" if worktree else ""}
echo more > more.txt
rm -rf included.lock planted.lock
"""


@pytest.mark.parametrize("worktree", ["", "/"], ids=["", "with another worktree"])
async def test_what_an_agent_plants_in_a_sandbox_runs_nowhere_else(
    steps: Steps, make_sandbox: SandboxMaker, tmp_path: Path, worktree: str
) -> None:
    """Only outside can the trap write where it springs."""
    sprung = tmp_path / "sprung"
    steps.daemon.more["sandbox"] = make_sandbox(hidden=(tmp_path,))
    done = await steps.does(planted(sprung, worktree=worktree))
    assert not sprung.exists(), sprung.read_text()
    if not worktree:
        assert done.status is OutcomeStatus.COMPLETED, done
        assert (steps.show("work.txt"), steps.show("more.txt")) == ("work", "more")
    await steps.does("echo later > later", target_branch="makima/later")
    assert not sprung.exists(), sprung.read_text()
    (trap,) = steps.daemon.tasks.rglob("trap")
    argv = ("git", "-c", "core.worktree=..", "status")
    await run(argv, cwd=trap.parent, env={"PATH": os.environ["PATH"]}, timeout=60)
    assert sprung.exists(), "the trap works"


async def test_without_a_sandbox_it_runs_with_nothing_that_is_the_daemons(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters of the agent's own repository run as its verify commands do."""
    monkeypatch.setenv("OF_THE_DAEMON", "swordfish")
    sprung = tmp_path / "sprung"
    await steps.does(planted(sprung))
    await steps.does("echo later > later", target_branch="makima/later")
    assert "swordfish" not in (sprung.read_text() if sprung.exists() else "")


async def test_what_a_dead_daemon_has_left_is_rescued_without_it(
    left: Left, make_sandbox: SandboxMaker, tmp_path: Path
) -> None:
    sprung = tmp_path / "sprung"
    object.__setattr__(left.machine, "sandbox", make_sandbox(hidden=(tmp_path,)))
    _, of_it = await left.folder(planted(sprung), sandbox=left.machine.sandbox)
    sprung.unlink(missing_ok=True)  # it was laid outside of any sandbox
    await Rescue(left.machine).run()
    assert await left.saved(of_it) == "saved"
    assert not sprung.exists(), sprung.read_text()


HELD = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def seize(pid):
    return "seized" if libc.ptrace(0x4206, pid, 0, 0) == 0 else os.strerror(ctypes.get_errno())
print("daemon", seize(int(sys.argv[1])))
for pid in (each for each in os.listdir("/proc") if each.isdigit()):
    try:
        held = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        continue
    for fd in held:
        try:
            print("fd", os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    print("rights", next(line.split()[1] for line in open(f"/proc/{pid}/status") if line.startswith("CapEff")))
for outside in sys.argv[2:]:
    try:
        os.link(outside, "linked")
        print("linked", outside)
        os.unlink("linked")
    except OSError as error:
        print("link", error.strerror)
"""


async def test_in_a_sandbox_there_is_nobody_elses_process_descriptor_or_file_to_take_hold_of(task: Task) -> None:
    folder = task.workspace.folder
    outside = (Path("/etc/hosts"), Path("/usr/bin/env"), Path(sys.executable), folder.prompt, folder.log)
    for file in (folder.prompt, folder.log):
        file.touch()
    done = await task.run(f'exec {sys.executable} -c "$@"', HELD, os.getpid(), *outside)
    lines = done.text.splitlines()
    assert "daemon No such process" in lines, done
    held = {line.partition(" ")[2] for line in lines if line.startswith("fd ")}
    assert all(each.startswith(("pipe:", "anon_inode:[eventfd]", "/dev/null", "/proc/")) for each in held), held
    assert {line for line in lines if line.startswith("rights")} == {"rights 0000000000000000"}
    assert len([line for line in lines if line.startswith("link ")]) == len(outside), lines


async def test_alternates_that_lead_outside_bring_nothing_in(
    steps: Steps, make_sandbox: SandboxMaker, tmp_path: Path, git: GitCommand
) -> None:
    """A commit that names an object of another repository by its hash is not whole without it."""
    other = tmp_path / "other.git"
    other.mkdir()
    git(other, "init", "--bare", "--quiet")
    secret = git(other, "hash-object", "-w", "--stdin", stdin="swordfish\n")
    steps.daemon.more["sandbox"] = make_sandbox(hidden=(tmp_path,))
    done = await steps.does(f"""
        echo {other}/objects >> .git/objects/info/alternates
        tree=$(printf '100644 blob {secret}\\tstolen\\n' | git mktree --missing)
        git update-ref HEAD $(git commit-tree $tree -p HEAD -m stolen)
        git read-tree HEAD || true
        echo own > own.txt
    """)
    refs = git(steps.origin, "for-each-ref", "--format=%(objectname)").split()
    listed = git(steps.origin, "rev-list", "--objects", *refs)
    assert secret not in listed
    assert done.status is not OutcomeStatus.COMPLETED or "stolen" not in listed


async def test_what_a_repository_is_told_of_its_lfs_names_no_program(
    steps: Steps, commit: Committer, tmp_path: Path
) -> None:
    """Neither by the agent nor on the base branch, which names the server."""
    need("git-lfs", "git-lfs")
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\necho x >> {sprung}\n")
    trap.chmod(0o755)
    settings = (
        f'[lfs]\n\tstandalonetransferagent = planted\n\turl = http://127.0.0.1:1/\n[lfs "customtransfer.planted"]\n'
        f'\tpath = {trap}\n[lfs "extension.planted"]\n\tclean = {trap}\n[credential]\n\thelper = {trap}\n'
        f"[core]\n\tsshCommand = {trap}\n\taskPass = {trap}\n"
    )
    attributes = {".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n"}
    commit(attributes, branch="main")
    lfs = "git config filter.lfs.clean 'git-lfs clean -- %f'; git config filter.lfs.required true; echo p > new.png;"
    by_agent = f"{lfs} printf '%s' '{settings}' > .lfsconfig; git add -A; git commit -qm lfs"
    done = await steps.does(by_agent)
    assert done.status is OutcomeStatus.COMPLETED, done
    commit({**attributes, ".lfsconfig": settings}, branch="main")
    done = await steps.does(f"{lfs} git add -A; git commit -qm lfs", target_branch="makima/other")
    assert done.failure and done.failure.category is FailureCategory.POINTER
    assert not sprung.exists()
