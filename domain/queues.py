"""Where a task waits for a daemon, and which daemons serve it there (rules 4.4, 5.4, design 10)."""

from __future__ import annotations

from domain import names
from domain.models import State, Task
from domain.protocol import DaemonFeature
from domain.statuses import TaskKind
from domain.value import Value


class Queue(Value):
    """A task queue, and what a daemon must be to serve it."""

    name: str
    daemon: str = ""
    """Only the daemon of this name."""
    label: str = ""
    """Only daemons with this label."""
    feature: str = ""
    """Only daemons that have reported it (domain.protocol.DaemonFeature)."""

    def is_served_by(self, daemon: str, labels: tuple[str, ...], features: tuple[str, ...] = ()) -> bool:
        can = not self.feature or self.feature in features
        return can and (not self.daemon or daemon == self.daemon) and (not self.label or self.label in labels)


def holder_of(task: Task) -> str:
    """The only daemon that has the outcome of the task's attempt, unless it has refused the task; empty: there is none.
    Another one would do the work again.
    """
    held = task.resume if task.resume and task.resume.is_finished else None
    return held.daemon if held and held.daemon not in task.refusals else ""


def label_of(state: State, task: Task) -> str:
    """The label that its daemon must have: its step's own, else the directive's; empty: any daemon may serve it."""
    own = state.steps[task.step].label if task.step else ""
    return own or state.directive.settings.label


def feature_of(state: State, task: Task) -> str:
    """What its daemon must have reported; empty: nothing. A task that leaves nothing on a remote needs no secret. But a
    daemon that knows no secrets takes an empty base branch for a name, where the remote's HEAD is meant.
    """
    is_for_all = task.kind is TaskKind.PREPARE and state.directive.base_branch
    return DaemonFeature.SECRETS if state.authenticated and not is_for_all else ""


def prefix_of(state: State, task: Task) -> str:
    """What the names of the queues begin with where the task may wait."""
    return names.AUTHENTICATED if feature_of(state, task) else ""


def queue_of(state: State, task: Task) -> Queue:
    """Where the task waits unless a daemon was chosen for it. What needs no agent waits for no slot of agents."""
    directive, prefix, feature = state.directive, prefix_of(state, task), feature_of(state, task)
    if only := directive.settings.on:
        return Queue(name=names.daemon_queue(directive.owner, only, prefix), daemon=only, feature=feature)
    if label := label_of(state, task):
        return Queue(name=names.label_queue(directive.owner, label, prefix), label=label, feature=feature)
    if task.kind is TaskKind.PREPARE and not feature:
        return Queue(name=names.light_queue(directive.owner))
    return Queue(name=names.daemons_queue(directive.owner, prefix), feature=feature)
