"""A coding agent of ours that reads what it is told, as Claude Code would: it plans, does steps, merges, and mends.

    python coder.py FOLDER      the prompt on stdin, the `makima` command on the PATH

A step's task plan holds a script. Logs and comments say what they want as `missing: FILE`. In a conflict it keeps
what both sides have added. What it was asked is kept in FOLDER/asked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

ROOMS = "rooms.txt"
"""One line: git can't merge two steps that change it."""
CLASHES = "## Your work clashes with other work"
HOLD = "hold"
"""A file in FOLDER: whoever is told what stands in it waits until it is gone."""
FIRST_ROOMS = "Rooms: cellar\n"


def step(name: str, *lines: str, after: tuple[str, ...] = ()) -> dict[str, object]:
    """A step that leaves a file of its own."""
    script = "\n".join(("#!/bin/sh", f"echo {name} > {name.lower()}.txt", *lines, "# the end"))
    return {"name": name, "description": f"It has {name}", "taskPlan": script, "dependsOn": list(after)}


def first_plan(wanted: Path) -> list[dict[str, object]]:
    """Two steps that clash, one on top of another, and one that gives up as long as there is no file `wanted`."""
    give_up = f"test -e {wanted} || {{ rm garden.txt; makima directive fail 'There are no seeds <yet>.'; }}"
    return [
        # In two commits, the first of them as the other step's: so a forge can rebase both, without the merge's commit.
        step("Walls", _with_rooms(", roof"), f"git commit --quiet -m 'Under a roof' {ROOMS}", _with_rooms(", walls")),
        step("Roof", _with_rooms(", roof")),
        step("Door", after=("Walls",)),
        step("Garden", give_up),
    ]


def next_plan() -> list[dict[str, object]]:
    """On top of what was merged by then."""
    return [step("Chimney", _with_rooms(", chimney"), after=("Roof",))]


def _with_rooms(more: str) -> str:
    return f"sed -i 's/$/{more}/' {ROOMS}"


def makima(*args: str) -> str:
    return subprocess.run(["makima", "directive", *args], check=True, capture_output=True, text=True).stdout


def git(*args: str) -> list[str]:
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout.splitlines()


def seeds(folder: Path, title: str) -> Path:
    """Without this file the garden of the directive of this title fails."""
    return folder / f"seeds-{title.rpartition(' ')[2]}"


def asks(folder: Path, title: str) -> Path:
    """With this file the first plan of the directive of this title has a step that asks."""
    return folder / f"asks-{title.rpartition(' ')[2]}"


def plan(folder: Path, title: str) -> None:
    is_first = not json.loads(makima("status"))["existing"]
    steps = first_plan(seeds(folder, title)) if is_first else next_plan()
    if is_first and asks(folder, title).exists():
        steps = [step("Paint", 'makima directive ask "Which colour?" --wait-seconds 900 >> paint.txt')]
    makima("batch-add-steps", "--json", json.dumps(steps))


def resolve() -> None:
    """The longest of two lines that begin alike says what both sides want."""
    for file in git("diff", "--name-only", "--diff-filter=U"):
        lines = [line for line in Path(file).read_text().splitlines() if not re.match(r"(<{7}|={7}|>{7})( |$)", line)]
        kept = [line for line in lines if not any(other != line and other.startswith(line) for other in lines)]
        Path(file).write_text("".join(f"{line}\n" for line in kept))
        git("add", file)


def mend(prompt: str) -> None:
    for name in re.findall(r"missing: (\S+)", prompt):
        Path(name).write_text("here it is\n")


def work(prompt: str, folder: Path) -> None:
    """What the prompt asks for."""
    headline = prompt.partition("\n")[0]
    script = re.search(r"^#!/bin/sh\n.*?^# the end$", prompt, re.MULTILINE | re.DOTALL)
    if headline.startswith(("# Plan:", "# Re-plan:")):
        plan(folder, headline)
    elif "## Merge conflict" in prompt:
        resolve()
    elif headline.startswith(CLASHES):
        pass  # as an agent may that leaves it to the merge: its work is done, and would be done twice
    elif script:
        subprocess.run(["sh", "-eu", "-c", script[0]], check=True)
    else:
        mend(prompt)


def is_held(file: Path, prompt: str) -> bool:
    try:
        text = file.read_text()
    except FileNotFoundError:
        return False
    return bool(text) and text in prompt


def main(folder: Path) -> None:
    prompt = sys.stdin.read()
    (folder / "asked").mkdir(exist_ok=True)
    (folder / "asked" / str(uuid4())).write_text(prompt)
    while is_held(folder / HOLD, prompt):
        time.sleep(0.1)
    work(prompt, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
