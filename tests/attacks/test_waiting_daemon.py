"""An agent makes the daemon wait (issue 11, 4): whatever it puts in the place of a file or a folder, nothing hangs.

Each trap is laid as an agent would lay it, with the system's own calls, and each test has an end of its own: one that
hangs has failed.
"""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from daemon import agent_files
from daemon.agents.file_tail import FileTail
from daemon.git.unlocking import unlock
from daemon.session.session_folder import NOTE as SESSION_NOTE
from daemon.session.session_folder import SessionFolder
from daemon.workspace.delivery_note import FILE as DELIVERY_NOTE
from daemon.workspace.delivery_note import read_note
from daemon.workspace.handing_over import read_artifact, read_handover
from domain.errors import HandoverBroken
from domain.handover import ARTIFACTS_FOLDER, HANDOVER_FILE

pytestmark = pytest.mark.timeout(600)

HUGE = 100 * 1024**3
NOBODY = 65534


def pipe(at: Path) -> None:
    os.mkfifo(at)


def socket_file(at: Path) -> None:
    before = Path.cwd()
    os.chdir(at.parent)  # the address of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(at.name)
    finally:
        os.chdir(before)


def endless(at: Path) -> None:
    at.symlink_to("/dev/zero")


def loop(at: Path) -> None:
    at.symlink_to(at.name)


def elsewhere(at: Path) -> None:
    at.symlink_to("/etc/passwd")


def sparse(at: Path) -> None:
    with at.open("wb") as file:
        file.truncate(HUGE)


def folder(at: Path) -> None:
    (at / "more").mkdir(parents=True)


Trap = Callable[[Path], None]
TRAPS = [pipe, socket_file, endless, loop, elsewhere, sparse, folder]
a_trap = pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)


@a_trap
def test_what_an_agent_hands_over_is_read_as_a_plain_file_or_not_at_all(tmp_path: Path, trap: Trap) -> None:
    trap(tmp_path / HANDOVER_FILE)
    with pytest.raises(HandoverBroken, match=HANDOVER_FILE):
        read_handover(tmp_path)
    (tmp_path / ARTIFACTS_FOLDER).mkdir()
    trap(tmp_path / ARTIFACTS_FOLDER / "plan.json")
    with pytest.raises(HandoverBroken, match=r"plan\.json"):
        read_artifact(tmp_path, "plan.json")


def test_a_folder_on_the_way_that_is_a_link_leads_nowhere(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "task"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret").write_text("swordfish")
    (inside / ARTIFACTS_FOLDER).symlink_to(outside)
    with pytest.raises(HandoverBroken):
        read_artifact(inside, "secret")


@a_trap
def test_notes_that_lie_where_an_unboxed_agent_reaches_are_read_as_if_there_were_none(
    tmp_path: Path, trap: Trap
) -> None:
    trap(tmp_path / DELIVERY_NOTE)
    assert read_note(tmp_path) is None
    trap(tmp_path / SESSION_NOTE)
    assert SessionFolder(tmp_path).read("claude", None).session == ""


@a_trap
def test_what_the_daemon_writes_for_an_agent_takes_the_place_of_a_trap(tmp_path: Path, trap: Trap) -> None:
    trap(tmp_path / "prompt.md")
    if trap is folder:
        with pytest.raises(HandoverBroken):
            agent_files.write(tmp_path, "prompt.md", b"do it")
    else:
        agent_files.write(tmp_path, "prompt.md", b"do it")
        assert agent_files.read(tmp_path, "prompt.md", 100) == b"do it"
    assert [each.name for each in tmp_path.iterdir()] == ["prompt.md"]


@pytest.mark.parametrize("trap", [pipe, socket_file, endless, loop, elsewhere, folder], ids=lambda trap: trap.__name__)
def test_the_kept_output_of_an_agent_goes_into_no_trap(tmp_path: Path, trap: Trap) -> None:
    trap(tmp_path / "stream.jsonl")
    with pytest.raises((HandoverBroken, OSError)):
        agent_files.appending(tmp_path / "stream.jsonl")


def test_files_beside_an_agents_output_are_looked_for_in_a_bounded_part_of_its_folder(tmp_path: Path) -> None:
    for trap in TRAPS:
        trap(tmp_path / f"rollout-{trap.__name__}.jsonl")
    deep = tmp_path
    for _ in range(200):
        deep /= "d"
        deep.mkdir()
    (tmp_path / "rollout-0.jsonl").write_text("")
    tail = FileTail(tmp_path, "rollout-*.jsonl", b"mark")
    assert tail.lines() == []
    (tmp_path / "rollout-0.jsonl").write_text("a mark\n")
    assert tail.lines() == ["a mark"]


def deep_and_closed(at: Path) -> None:
    """As an agent makes it: deeper than a path may be long, with modes that keep even their owner out."""
    before = Path.cwd()
    at.mkdir()
    os.chdir(at)
    for _ in range(700):
        Path("deeper").mkdir()
        os.chdir("deeper")
    Path("f").touch()
    pipe(Path("p"))
    os.chdir(at)
    (at / "locked").mkdir()
    (at / "locked" / "f").touch()
    (at / "locked").chmod(0)
    (at / "closed" / "inner").mkdir(parents=True)
    (at / "closed").chmod(0o500)
    os.close(os.open(os.fsencode(at) + b"/\xff\xfe", os.O_CREAT))
    (at / "link").symlink_to("/")
    os.chdir(before)


def as_user(user: int, act: Callable[[], None]) -> None:
    """Run `act` in a process of this user; it must not raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child does nothing but this
        child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir("/")
            os.setuid(user)
            act()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture(params=["own", "ordinary"])
def someone(request: pytest.FixtureRequest) -> Iterator[tuple[int, Path]]:
    """The user of the tests, and where that is root an ordinary one, each with a folder of its own."""
    if request.param == "ordinary" and os.getuid() != 0:
        pytest.skip("only root can become another user; these tests run as an ordinary one already")
    user = NOBODY if request.param == "ordinary" else os.getuid()
    home = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    os.chown(home, user, -1)
    yield user, home
    agent_files.remove_tree(home)


def test_a_tree_of_any_depth_and_mode_is_removed(someone: tuple[int, Path]) -> None:
    user, home = someone
    as_user(user, lambda: deep_and_closed(home / "tree"))
    as_user(user, lambda: agent_files.remove_tree(home / "tree"))
    assert list(home.iterdir()) == []
    assert Path("/etc/passwd").exists()


def test_a_tree_that_takes_too_long_is_left_to_the_next_try(tmp_path: Path) -> None:
    at = tmp_path / "tree"
    (at / "a" / "b").mkdir(parents=True)
    with pytest.raises(TimeoutError):
        agent_files.remove_tree(at, within=-1)
    agent_files.remove_tree(at)
    assert not at.exists()


def test_a_copy_for_a_person_keeps_holes_and_leaves_traps_out(tmp_path: Path) -> None:
    source, target = tmp_path / "work", tmp_path / "copy"
    source.mkdir()
    target.mkdir()
    for trap in TRAPS:
        trap(source / trap.__name__)
    (source / "sub").mkdir()
    (source / "sub" / ".git").mkdir()
    (source / "sub" / "text").write_text("a text\n")
    (source / "sub" / "text").chmod(0o755)
    agent_files.copy_tree(source, target, leave_out=".git")
    assert {each.name for each in target.iterdir()} == {"endless", "loop", "elsewhere", "sparse", "folder", "sub"}
    assert (target / "elsewhere").is_symlink()
    assert (target / "sparse").stat().st_size == HUGE
    assert (target / "sparse").stat().st_blocks < 1000
    assert [each.name for each in (target / "sub").iterdir()] == ["text"]
    assert (target / "sub" / "text").stat().st_mode & 0o111


def test_a_copy_ends_where_a_path_does_also_where_its_own_is_the_longer_one(tmp_path: Path) -> None:
    source, target = tmp_path / "work", tmp_path / ("t" * 200)
    target.mkdir()
    deepest = source
    while len(str(deepest)) < 3950:
        deepest /= "d" * min(200, 3998 - len(str(deepest)))
        deepest.mkdir(parents=True)
    (source / "saved").write_text("saved")
    agent_files.copy_tree(source, target, leave_out=".git")
    assert (target / "saved").read_text() == "saved"


def test_what_vanishes_during_a_copy_keeps_nothing_else_out(tmp_path: Path) -> None:
    """A link comes and goes while the folder is copied, as a process does that still runs there."""
    source = tmp_path / "work"
    source.mkdir()
    kept = {f"file{number}" for number in range(40)}
    for name in kept:
        (source / name).touch()
    flickering, over = [source / f"link{number}" for number in range(200)], Event()

    def flicker() -> None:
        while not over.is_set():
            for each in flickering:
                each.symlink_to("x")
            for each in flickering:
                each.unlink()

    thread = Thread(target=flicker)
    thread.start()
    try:
        for number in range(60):
            target = tmp_path / f"copy{number}"
            target.mkdir()
            agent_files.copy_tree(source, target, leave_out=".git")
            assert kept <= {each.name for each in target.iterdir()}
    finally:
        over.set()
        thread.join()


def test_what_an_agent_has_locked_away_is_read_again_and_nothing_else_is_unlocked(tmp_path: Path) -> None:
    outside, work = tmp_path / "outside", tmp_path / "work"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (work / "deep" / "er").mkdir(parents=True)
    (work / "deep" / "er" / "file").write_text("kept")
    (work / "link").symlink_to(outside)
    (work / "file link").symlink_to(outside / "secret")
    (work / "run").write_text("x")
    (work / "run").chmod(0o111)
    os.mkfifo(work / "pipe", 0)
    for locked in (work / "deep" / "er" / "file", work / "deep" / "er", work / "deep", outside / "secret"):
        locked.chmod(0)
    outside.chmod(0o500)
    work.chmod(0)
    unlock(work)
    assert (work / "deep" / "er" / "file").read_text() == "kept"
    modes = {each: stat.S_IMODE((work / each).lstat().st_mode) for each in ("deep", "deep/er/file", "run", "pipe")}
    assert modes == {"deep": 0o700, "deep/er/file": 0o400, "run": 0o511, "pipe": 0}
    assert stat.S_IMODE((outside / "secret").stat().st_mode) == 0
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500
