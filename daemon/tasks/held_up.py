"""What a delivery says of finished work that can't be published yet; the next one on this daemon publishes it."""

from __future__ import annotations

from daemon.session.waiting import waiting
from domain.errors import MakimaError
from domain.spawn_task import Outcome, SpawnTask
from domain.usage import ResumableSession

BROKEN = """\
{failure}. The work is done and saved on {daemon}, and is pushed once the remote can take it. Whoever runs the remote: \
`git fsck` there names what is broken; restore that object, or delete the ref that needs it\
"""

UNSIGNED = """\
{failure}. The work is done and saved on {daemon}: it is signed and pushed, and nothing is done again, once the key \
can be used\
"""

SOMEBODY_ELSE = """\
Somebody with the right to push to the repository keeps putting refs of their own where outcomes belong. The work is \
done and goes on; its outcome is saved on {daemon} only. Take that right from whoever it is, then answer anything.\
"""


def held_up(command: SpawnTask, outcome: Outcome, daemon: str, told: str, failure: MakimaError) -> Outcome:
    """It waits without its slot, and no agent runs again."""
    agent = command.agent.name if command.agent else ""
    resume = ResumableSession(agent=agent, session="", daemon=daemon, usage=outcome.usage, is_finished=True)
    text = told.format(daemon=daemon, failure=failure)
    return waiting(command, summary=text).model_copy(update={"resume": resume})
