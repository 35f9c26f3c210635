"""Paths of a machine in what its daemon tells others."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from daemon.logs.masking import Masker, masked_outcome, masked_question
from daemon.logs.places import SafePaths
from domain.failures import Failure, FailureCategory
from domain.models import Question, Work
from domain.spawn_task import Outcome, OutcomeStatus

TASKS = Path("/srv/makima/daemon/box/tasks")
WORK = f"{TASKS}/3f2a91c0-1-0a1b2c3d/work"
PLACES = SafePaths(TASKS, Path("/home/ann"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"I changed {WORK}/src/app.py.", "I changed src/app.py."),
        (f"{WORK}/a.py:3: and `{WORK}/b.py`", "a.py:3: and `b.py`"),
        (f"cd {WORK} && ls {WORK}/", "cd . && ls ."),
        (f'{{"file": "{WORK}/a"}}', '{"file": "a"}'),
        (f"see file://{WORK}/a", "see file://a"),
        (f"{WORK}//a", "a"),
        (f"{TASKS}/other-2-ffffffff/work/x", "x"),
        (f"{WORK.removesuffix('work')}task/prompt.md", "<task folder>/prompt.md"),
        (f"{WORK}shop/x", "<daemon's folder>/tasks/3f2a91c0-1-0a1b2c3d/workshop/x"),
        ("/srv/makima/daemon/box/repositories/x.git: bad", "<daemon's folder>/repositories/x.git: bad"),
        ("/srv/makima/daemon/boxes/x", "/srv/makima/daemon/boxes/x"),
        ("in /home/ann/.nvm, -I/home/ann", "in ~/.nvm, -I/home/ann"),
        ("HOME=/home/ann:/home/anna", "HOME=~:/home/anna"),
        ("file:///home/ann/x, /mnt/home/ann/x", "file://~/x, /mnt/home/ann/x"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_a_path_of_the_machine_becomes_one_of_the_repository_or_of_none(text: str, told: str) -> None:
    assert PLACES.hide(text) == told


def test_what_links_lead_to_is_known_as_well(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    places = SafePaths(tmp_path / "link" / "tasks", None)
    for name in ("link", "real"):
        assert places.hide(f"{tmp_path}/{name}/tasks/a-1-b/work/x") == "x"


def test_every_text_of_an_outcome_and_a_question_goes_through_it() -> None:
    masker = Masker(["s3cret-s3cret"])
    masker.hide_places(PLACES)
    text = f"{WORK}/x knows s3cret-s3cret"
    failed = Outcome(
        task=uuid4(), attempt=1, status=OutcomeStatus.FAILED, summary=text, warnings=(text,),
        failure=Failure(category=FailureCategory.AGENT, report=text),
        work=Work(branch="b", base="0" * 40, head="1" * 40, replaces="", commits=1, files_changed=1, verified=(text,)),
    )  # fmt: skip
    question = Question(id=uuid4(), task=failed.task, text=text, context=text, choices=(text,), default=text)
    told = masked_outcome(failed.model_copy(update={"questions": (question,)}), masker)
    assert WORK not in told.model_dump_json()
    assert (told.summary, told.warnings) == ("x knows ***", ("x knows ***",))
    repair = question.model_copy(update={"text": "log in: HOME=/srv/makima/daemon/box/logins/x agent login"})
    assert masked_question(repair, masker).text == repair.text
    assert "/srv" not in masked_question(question, masker).model_dump_json()
