"""A coding agent of ours that plans and builds a house of cards; it writes down when it begins and ends a step.

    python builder.py FOLDER      the prompt on stdin, the `makima` command on the PATH

A step's task plan is one line of JSON. Whatever state its worktree is in, it goes on from there, as agents do.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

LOG = "log.txt"
"""Every step adds a line to it, each under a heading of its own: git can merge that."""
ROOM = "\n\n\n"
EARLIER = "## An earlier attempt failed"
NOT_ANSWERED = 75

FIRST_STEPS = ("Cellar", "Walls", "Stairs", "Garden", "Door", "Roof", "Chimney", "Smoke")
MOST_EXTRAS = 4


def extra(number: int) -> str:
    """The step that a later goal asks for."""
    return f"Annex {number}"


def first_log() -> str:
    """The log before anybody has built anything."""
    return "".join(f"## {name}{ROOM}" for name in (*FIRST_STEPS, *(extra(number) for number in range(MOST_EXTRAS))))


def file_of(name: str) -> str:
    """The step's own file."""
    return f"{name.lower().replace(' ', '-')}.txt"


def line_of(name: str) -> str:
    return f"{name} is built"


def step(
    name: str, seconds: float, *, after: tuple[str, ...] = (), phase: int = 0, how: str = "plainly"
) -> dict[str, object]:
    task = json.dumps({"build": name, "seconds": seconds, "how": how})
    return {"name": name, "description": name, "taskPlan": task, "dependsOn": list(after), "orderIndex": phase}


def first_plan() -> list[dict[str, object]]:
    """Eight steps in two phases: a merge of two, one that fails once, and one that asks."""
    return [
        step("Cellar", 1),
        step("Walls", 1.5),
        step("Stairs", 0.5, after=("Cellar", "Walls")),
        step("Garden", 0.5, how="fails once"),
        step("Door", 0.5, how="asks"),
        step("Roof", 1, phase=1),
        step("Chimney", 0.5, after=("Roof", "Stairs"), phase=1),
        step("Smoke", 0.5, after=("Chimney", "Door"), phase=1),
    ]


def makima(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["makima", "directive", *args], check=False, capture_output=True, text=True)


def plan(prompt: str) -> None:
    time.sleep(0.5)
    known = {each["name"] for each in json.loads(makima("status").stdout)["existing"]}
    wanted = int(re.search(r"with (\d+) annexes", prompt)[1])  # type: ignore[index]
    missing = [extra(number) for number in range(wanted) if extra(number) not in known]
    steps = [*([] if known else first_plan()), *(step(name, 1) for name in missing)]
    if steps:
        makima("batch-add-steps", "--json", json.dumps(steps)).check_returncode()
    else:
        makima("done", "--nothing-to-do", "all of it is planned").check_returncode()


def build(folder: Path, prompt: str, name: str, seconds: float, how: str) -> None:
    note(folder, name, "began")
    sys.stdout.write(f"building {name}\n")
    sys.stdout.flush()
    time.sleep(seconds / 2)
    write(name)
    time.sleep(seconds / 2)
    if how == "fails once" and EARLIER not in prompt:
        makima("fail", "it rains").check_returncode()
        return
    if how == "asks" and (asked := makima("ask", "Which colour?", "--wait-seconds", "1")).returncode:
        sys.exit(0 if asked.returncode == NOT_ANSWERED else asked.stderr)
    note(folder, name, "ended")


def write(name: str) -> None:
    """The step's line into its own file, and under its heading of the log, unless they are there."""
    Path(file_of(name)).write_text(f"{line_of(name)}\n")
    log = Path(LOG).read_text()
    if line_of(name) not in log:
        Path(LOG).write_text(log.replace(f"## {name}\n", f"## {name}\n{line_of(name)}\n"))


def note(folder: Path, name: str, what: str) -> None:
    with (folder / "runs").open("a") as runs:
        runs.write(f"{time.time()} {what} {name}\n")


def main(folder: Path) -> None:
    prompt = sys.stdin.read()
    if prompt.startswith(("# Plan:", "# Re-plan:")):
        plan(prompt)
    elif task := re.search(r'^\{"build": .*\}$', prompt, re.MULTILINE):
        wanted = json.loads(task[0])
        build(folder, prompt, wanted["build"], wanted["seconds"], wanted["how"])
    else:
        sys.exit("there is nothing to build")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
