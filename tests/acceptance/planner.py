"""The demo's planner, with steps that write down when they start and wait until the test lets them go on.

It runs as an agent does: the prompt on its stdin, the `makima` command on its PATH. When there are steps already, the
goal has changed: it adds two others, and finds nothing to add to those.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

from demo.planner import plan

SECOND_PLAN: list[dict[str, object]] = [
    {"name": "Spanish", "taskPlan": "echo Hola > spanish.txt\n", "dependsOn": ["Farewell"]},
    {"name": "French", "taskPlan": "echo Salut > french.txt\n"},
]


def starts(folder: Path, name: str) -> Path:
    """A line for every start of this agent, in a file that no checkpoint and no commit can hold: its pid."""
    return folder / "starts" / name


def gate(folder: Path, name: str) -> Path:
    """While this file is missing the step waits, its work not done."""
    return folder / "gates" / name


def gated(folder: Path, steps: list[dict[str, object]]) -> list[dict[str, object]]:
    """The steps, each with a beginning that the test sees and an end that shows how often it was done."""
    return [{**step, "taskPlan": _gated(folder, str(step["name"]), str(step["taskPlan"]))} for step in steps]


def _gated(folder: Path, name: str, script: str) -> str:
    one, every, began = (
        shlex.quote(str(path)) for path in (gate(folder, name), gate(folder, "all"), starts(folder, name))
    )
    done = shlex.quote(f"done/{name}")
    return (
        f"echo $$ >> {began}\n"
        f"until [ -e {one} ] || [ -e {every} ]; do sleep 0.2; done\n"
        f"{script}"
        f"mkdir -p done && echo {shlex.quote(name)} >> {done}\n"
    )


def makima(*args: str) -> str:
    return subprocess.run(["makima", "directive", *args], check=True, capture_output=True, text=True).stdout


def main(folder: Path) -> None:
    with starts(folder, "planner").open("a") as began:
        began.write("planner\n")
    known = [step["name"] for step in json.loads(makima("status"))["existing"]]
    sys.stdout.write(f"steps so far: {', '.join(known) or 'none'}\n")
    if "Spanish" in known:
        makima("done", "--nothing-to-do", "both languages are there")
    else:
        makima("batch-add-steps", "--json", json.dumps(gated(folder, SECOND_PLAN if known else plan())))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
