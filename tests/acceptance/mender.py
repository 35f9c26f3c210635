"""An agent that works as it is told, and mends what it is told is wrong with that.

A step's task plan holds a script; what stands below its line `# told` is run once the daemon says what is wrong, with
the last commit that it names as $COMMIT.

    python mender.py            the prompt on stdin
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

WRONG = "Your work is not finished"
TOLD = "# told\n"


def main() -> None:
    prompt = sys.stdin.read()
    script = re.search(r"^#!/bin/sh\n.*?^# the end$", prompt, re.MULTILINE | re.DOTALL)
    assert script, prompt
    first, _, then = script[0].partition(TOLD)
    commits = re.findall(r"\b[0-9a-f]{40}\b", prompt.partition("This was your task:")[0])
    env = os.environ | {"COMMIT": commits[-1] if commits else ""}
    subprocess.run(["sh", "-c", then if WRONG in prompt else first], check=True, env=env)


if __name__ == "__main__":
    main()
