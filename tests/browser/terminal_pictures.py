"""What `watch` and `graph` draw, as pictures of a directive at work: `python -m tests.browser.terminal_pictures`.

Writes docs/images/watch.svg and docs/images/graph.svg, in half a minute, on a stack of its own; no browser is needed.
Take them again when what they show has changed, and look at them before they are committed.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from cli.operator.json_shapes import WatchShown
from cli.operator.live_tree import tree
from cli.operator.watch_state import WatchedDirective
from demo.__main__ import Starter, ready
from demo.cast import small_programs
from demo.demo_repository import make_origin
from domain.statuses import StepStatus
from domain.view import DirectiveView
from steering.recorded import SeenState

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH = 80

WITHIN = 120.0  # seconds
ASKS = "makima directive ask 'Which hash do stored passwords use?' --choices argon2,bcrypt > hash.txt"
STEPS = [
    {"name": "Session store", "task_plan": "echo made > store.txt"},
    {"name": "Login form", "task_plan": "echo Rendering the form; sleep 60", "depends_on": ["Session store"]},
    {"name": "Rate limit", "task_plan": "echo 'Counting tries, 5 a minute'; sleep 60", "depends_on": ["Session store"]},
    {"name": "Password storage", "task_plan": ASKS, "depends_on": ["Session store"]},
    {"name": "End to end test", "task_plan": "true", "depends_on": ["Login form", "Rate limit", "Password storage"]},
    {"name": "Audit log", "task_plan": "echo 'no such table: audit' >&2; exit 1"},
]
FOREIGN = re.compile(r"@font-face\s*{.*?}\s*|<!--.*?-->\s*", re.DOTALL)
"""Rich's picture would load fonts from another host; without them the reader's own is used."""


def is_worth_a_picture(shown: WatchShown) -> bool:
    """Two agents have said something, one asks, one has failed, one waits."""
    speaking = [each for each in shown.progress if each.last_line]
    failed = any(step.status is StepStatus.FAILED for step in shown.steps)
    return len(speaking) > 1 and failed and bool(shown.questions)


def picture(shown: WatchShown) -> str:
    """The tree as `watch` draws it, as SVG."""
    fields = shown.model_dump(include=set(DirectiveView.model_fields))
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(tree([WatchedDirective(SeenState(DirectiveView.model_validate(fields), live=True), shown.progress)]))
    return FOREIGN.sub("", console.export_svg(title="starter watch", unique_id="watch"))


async def worth_seeing(starter: Starter, directive: str) -> WatchShown:
    """The first moment that is, as `watch --json` tells it."""
    watching = await starter.begin("watch", directive, "--json")
    assert watching.stdout is not None
    try:
        async with asyncio.timeout(WITHIN):
            async for line in watching.stdout:
                shown = WatchShown.model_validate_json(line)
                if is_worth_a_picture(shown):
                    return shown
    finally:
        watching.terminate()
        await watching.wait()
    raise AssertionError("it came to rest first")


async def take_all() -> None:
    with TemporaryDirectory(prefix="login-") as name:
        folder = Path(name)
        starter = Starter(folder, small_programs())
        plan = folder / "plan.json"
        plan.write_text(json.dumps({"steps": STEPS}))
        async with starter.up(keep=False) as stack:
            await ready(stack)
            started = await start(starter, make_origin(folder), plan)
            shown = await worth_seeing(starter, started["id"])
            graph = await starter.json("graph", started["id"], "--format", "svg")
    (IMAGES / "watch.svg").write_text(picture(shown))
    (IMAGES / "graph.svg").write_text(graph["text"])


async def start(starter: Starter, origin: Path, plan: Path) -> dict[str, Any]:
    what = ("--title", "Password login", "--goal", "Users can log in", "--repo", str(origin), "--plan", str(plan))
    return await starter.json(
        "start", *what, "--agent", "shell", "--timings", "fast", "--max-attempts", "1", "--on", "any"
    )


if __name__ == "__main__":
    asyncio.run(take_all())
