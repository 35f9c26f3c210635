"""`clean` removes nothing that isn't Makima's, wherever a variable or a link points, and finishes what was cut off."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.errors import Refused
from runtime.shared_settings import SharedSettings
from runtime.stack_file import ProcessMark
from stack.cleaning import Cleaning, Places, cleaning

pytestmark = pytest.mark.rule("9.7")


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


async def nothing_unfinished(_: str) -> Sequence[str]:
    return ()


@asynccontextmanager
async def cleaned(data: Path, *, with_settings: bool = False) -> AsyncIterator[Cleaning]:
    places = Places(data.parent / "cache", data.parent / "config.toml")
    settings = SharedSettings(data_dir=data)
    async with cleaning(settings, os.environ, places, nothing_unfinished, with_settings=with_settings) as found:
        yield found


async def clean(data: Path) -> None:
    async with cleaned(data) as found:
        await found.remove([each for each in found.found if not each.stays])


def marked(data: Path) -> None:
    """As a stack leaves it that has run there."""
    data.mkdir(exist_ok=True)
    (data / "up.lock").write_text(ProcessMark(pid=1, started_at=0).model_dump_json())


def tree(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*")}


async def test_a_folder_without_our_mark_is_refused_whatever_its_files_are_called(tmp_path: Path) -> None:
    data = tmp_path / "home"
    for name in ("postgres/PG_VERSION", "forge/forge.json", "logs/worker.log", "temporal.db", "daemon/one/notes"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("somebody's")
    before = tree(data)
    for mark in (None, "", "{}", "somebody's notes"):
        if mark is not None:
            (data / "up.lock").write_text(mark)
        with pytest.raises(Refused, match="no mark of Makima's"):
            await clean(data)
        assert tree(data) - {"up.lock"} == before


async def test_of_a_folder_that_is_others_too_only_our_parts_go_and_no_link_is_followed(tmp_path: Path) -> None:
    data, precious = tmp_path / "home", tmp_path / "precious"
    marked(data)
    (precious / "PG_VERSION").parent.mkdir()
    (precious / "PG_VERSION").write_text("18")
    (precious / "worker.log").write_text("a log of theirs")
    (data / "postgres").symlink_to(precious)
    (data / "logs").symlink_to(precious)
    (data / "temporal.db").symlink_to(precious / "worker.log")
    (data / "forge").mkdir()
    (data / "forge" / "sword.txt").write_text("not a forge of ours")
    home = data / "daemon" / "one"
    (home / "tasks").mkdir(parents=True)
    (home / "lock").touch()
    (home / "elsewhere").symlink_to(precious)
    (data / "daemon" / "demons.txt").write_text("theirs")
    (data / "photo.jpg").write_text("theirs")
    for ours in ("ports.json", "answer.key"):
        (data / ours).write_text("{}")
    async with cleaned(data) as found:
        assert {Path(each.path).name for each in found.found} == {"ports.json", "answer.key", "one"}
        await found.remove(found.found)
    assert {"PG_VERSION", "worker.log"} == tree(precious)
    assert {"photo.jpg", "daemon/demons.txt", "forge/sword.txt", "postgres", "logs", "temporal.db"} <= tree(data)
    assert not home.exists() and not (data / "up.lock").exists()


async def test_a_data_folder_that_is_a_link_is_named_and_left(tmp_path: Path) -> None:
    real, data = tmp_path / "real", tmp_path / "data"
    marked(real)
    (real / "ports.json").write_text("{}")
    data.symlink_to(real)
    with pytest.raises(Refused, match="set MAKIMA_DATA_DIR to the one that it leads to"):
        await clean(data)
    assert (real / "ports.json").exists()


async def test_nothing_of_a_daemon_that_runs_goes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    home = data / "daemon" / "one"
    (home / "tasks").mkdir(parents=True)
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Refused, match=f"a daemon runs in {home}: end it first"):
            await clean(data)
        assert (home / "tasks").exists()
    finally:
        os.close(lock)
    await clean(data)
    assert not data.exists()


async def test_what_was_cut_off_is_finished_and_meanwhile_no_stack_takes_the_rest_for_its_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    marked(data)
    (data / "postgres").mkdir()
    (data / "postgres" / "PG_VERSION").write_text("18")
    (data / "postgres" / "base").mkdir()
    (data / "ports.json").write_text("{}")
    async with cleaned(data) as found:
        (lost,) = [each for each in found.found if each.work]
        assert "its directives can't be read" in lost.work[0]
    # As a removal leaves it that was agreed to, and killed when the first files were gone.
    (data / "clean.json").write_text('{"parts": ["postgres", "ports.json"]}')
    (data / "postgres" / "PG_VERSION").unlink()
    from stack.data_folder import DataFolder

    with pytest.raises(Refused, match="has begun to remove"):
        await asyncio.to_thread(DataFolder(data).prepare)
    async with cleaned(data) as found:
        assert not any(each.work for each in found.found), "it was agreed to"
        await found.remove(found.found)
    assert not data.exists()
