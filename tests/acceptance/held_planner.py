"""A planner that waits: it plans one step once the file `gates/plan` is beside the folder that it is told.

It runs as an agent does: the prompt on its stdin, the `makima` command on its PATH.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


def main(folder: Path) -> None:
    gates = folder.parent / "gates"
    (gates / "planner-began").touch()
    while not (gates / "plan").exists():
        time.sleep(0.05)
    steps = [{"name": "Planned", "taskPlan": "echo planned > planned\n"}]
    subprocess.run(["makima", "directive", "batch-add-steps", "--json", json.dumps(steps)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
