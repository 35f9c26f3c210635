"""The coding agent of `coder.py` with a planner that meets what the test has written for its directive.

    python troubled.py FOLDER NAME      the prompt on stdin; NAME is how the daemon calls this agent

FOLDER/planner-<last word of the title> is a script that plans, with AGENT and PROMPT in its environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.acceptance import coder


def main(folder: Path, name: str) -> int:
    prompt = sys.stdin.read()
    headline = prompt.partition("\n")[0]
    if not headline.startswith(("# Plan:", "# Re-plan:")):
        coder.work(prompt, folder)
        return 0
    script = folder / f"planner-{headline.split()[-1]}"
    env = {**os.environ, "AGENT": name, "PROMPT": prompt}
    return subprocess.run(["sh", "-eu", str(script)], check=False, env=env).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
