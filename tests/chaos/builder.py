"""A coding agent of ours that plans and builds a house of cards; it writes down when it begins and ends a step.

    python builder.py FOLDER      the prompt on stdin, the `makima` command on the PATH

A step's task plan is one line of JSON. Whatever state its worktree is in, it goes on from there, as agents do.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

LOG = "log.txt"
"""Every step adds a line to it, each under a heading of its own: git can merge that."""
ROOM = "\n\n\n"
EARLIER = "## An earlier attempt failed"
NOT_FINISHED = "Your work is not finished"
NOT_ANSWERED = 75

FIRST_STEPS = ("Cellar", "Walls", "Stairs", "Garden", "Door", "Roof", "Chimney", "Smoke")
MOST_EXTRAS = 4


def extra(number: int) -> str:
    """The step that a later goal asks for."""
    return f"Annex {number}"


# What it does to its repository and calls done, each a script of the shell: `$NAME` is the step's. None of it may cost
# work, or be called finished (docs/done-means-done.md).
COMMITTED = 'echo "$NAME" > "extra-$NAME.txt"; git add "extra-$NAME.txt"; git commit -qm extra;'
ASIDE = (
    f'{COMMITTED} git checkout -q --detach HEAD~1; echo other > "extra-$NAME.txt"; git add -A; git commit -qm other;'
)
SECRET = "gh" + "p_" + "a1B2" * 9
"""No secret, and none stands here: what looks like one is put together."""
OPEN_SECRET = f'echo "token = {SECRET}" > "extra-$NAME.txt";'
MISDEEDS = {
    "plain": "true",
    "rebase": f'{COMMITTED} GIT_SEQUENCE_EDITOR="sed -i 1s/pick/edit/" git rebase -q -i HEAD~1',
    "markers": "printf '<<<<<<< HEAD\\na\\n=======\\nb\\n>>>>>>> other\\n' > \"extra-$NAME.txt\"",
    "reset": "git reset -q --hard HEAD~1",
    "amend": "git commit -q --amend --no-edit --reset-author",
    "orphan": "git checkout -q --orphan new; git add -A; git commit -qm new",
    "branch": f"git checkout -q -b extra; {COMMITTED} git checkout -q --detach HEAD~1",
    "stash": 'echo "$NAME" > "extra-$NAME.txt"; git add -A; git stash -q',
    "detached": f"{COMMITTED} git checkout -q --detach HEAD~1",
    "submodule": "git init -q part; git -C part commit -q --allow-empty -m part; git add part; git commit -qm part",
    "lfs": "echo '*.bin filter=lfs' > .gitattributes; echo content > part.bin",
    "nested": "git init -q part; echo x > part/x",
    "large": "head -c 11000000 /dev/zero > large",
    "removed": "rm -rf .git",
    "lock": "touch .git/index.lock",
    "remade": "rm -rf .git; git init -q; git add -A; git commit -qm remade",
    "empty": "rm -rf .git/objects/*",
    "head": "echo nonsense > .git/HEAD",
    "merge": f"{ASIDE} git merge -q --no-ff --no-commit HEAD@{{2}}",
    "cherry-pick": f"{ASIDE} git cherry-pick HEAD@{{2}}",
    "revert": f'{COMMITTED} echo more >> "extra-$NAME.txt"; git commit -qam more; git revert --no-edit HEAD~1',
    "bisect": f"{COMMITTED} git bisect start -q HEAD HEAD~1",
    "sequence": f"{COMMITTED} git revert --no-edit HEAD HEAD~1; git add -A; git commit -qm reverted",
    "tag": f"{COMMITTED} git tag extra; git checkout -q --detach HEAD~1",
    "worktree": 'git worktree add -q side -b extra; cd side; echo x > "extra-$NAME.txt"; git add -A; git commit -qm x',
    "hidden": "git update-index --skip-worktree log.txt",
    "modes": "git config core.fileMode false; git config core.ignoreCase true; git config core.autocrlf true",
    "filter": "git config filter.up.clean 'tr a-z A-Z'; echo 'extra-* filter=up' > .git/info/attributes",
    "graft": "git rev-parse HEAD > .git/info/grafts",
    "replace": "git replace -f HEAD HEAD~1",
    "nothing": "git commit -q --allow-empty -m nothing",
    "am": f"{ASIDE} git format-patch -q -1 --stdout HEAD@{{2}} > .git/extra.patch; git am -q -3 .git/extra.patch",
    "notes": f"{COMMITTED} git notes add -m extra; git checkout -q --detach HEAD~1",
    "assumed": "git update-index --assume-unchanged log.txt",
    "secret": f'{OPEN_SECRET} git add -A; git commit -qm token; git rm -q "extra-$NAME.txt"',
    "open secret": OPEN_SECRET,
    "future": "GIT_COMMITTER_DATE=2099-01-01T00:00:00Z git commit -q --allow-empty -m future --date 2099-01-01",
}
PUT_IN = "git merge -q --no-edit extra || git stash pop -q"
MENDED = """
for each in rebase cherry-pick revert am merge; do git $each --abort; done
git cherry-pick --quit; git bisect reset; git ls-files --unmerged | grep -q . && git add -A
git rm -rq --cached part; rm -rf part part.bin .gitattributes large
grep -q -e '^<<<<<<<' -e {secret} "extra-$NAME.txt" && rm -f "extra-$NAME.txt"
{told}
{wanted}
true
"""
_TOLD = re.compile(r"`git (merge|reset --soft) ([0-9a-f]{40,64})`")


FORMATTER = "sed -i 's/ *$//' *.txt"
"""The verify command: what it changes has to be committed, too."""


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
    chance = random.Random(f"{(folder / 'seed').read_text()} {name} {runs_of(folder, name)}")
    time.sleep(seconds / 2)
    if NOT_FINISHED in prompt:
        mend(prompt, name, puts_in=chance.random() < 0.5)
    else:
        misdeed = chance.choice(list(MISDEEDS))
        note(folder, name, f"does:{misdeed}")
        misbehave(misdeed, name)
    write(name)
    time.sleep(seconds / 2)
    if how == "fails once" and EARLIER not in prompt and " rained " not in (folder / "runs").read_text():
        note(folder, name, "rained")
        makima("fail", "it rains").check_returncode()
        return
    if how == "asks" and (asked := makima("ask", "Which colour?", "--wait-seconds", "1")).returncode:
        sys.exit(0 if asked.returncode == NOT_ANSWERED else asked.stderr)
    note(folder, name, "ended")


def runs_of(folder: Path, name: str) -> int:
    return (folder / "runs").read_text().count(f" began {name}\n")


def write(name: str) -> None:
    """The step's line into its own file, and under its heading of the log, unless they are there. The file is as no
    formatter leaves it."""
    Path(file_of(name)).write_text(f"{line_of(name)}  \n")
    log = Path(LOG).read_text() if Path(LOG).exists() else first_log()
    if line_of(name) not in log:
        Path(LOG).write_text(log.replace(f"## {name}\n", f"## {name}\n{line_of(name)}\n"))


def misbehave(what: str, name: str) -> None:
    shell(MISDEEDS[what], name)


def mend(prompt: str, name: str, *, puts_in: bool) -> None:
    """Do what the agent was told; of what it has left beside its work it may think what it likes."""
    told = _TOLD.search(prompt)
    merges = {"merge": "git add -A; git commit -qm mine; git merge -q --no-edit", "reset --soft": "git reset -q --soft"}
    command = f"{merges[told[1]]} {told[2]}" if told else ""
    shell(MENDED.format(secret=SECRET, told=command, wanted=PUT_IN if puts_in else ""), name)


def shell(script: str, name: str) -> None:
    environ = {**os.environ, "NAME": name.replace(" ", "-")}
    subprocess.run(["sh", "-c", script], env=environ, check=False, capture_output=True)


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
