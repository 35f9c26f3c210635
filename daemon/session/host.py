"""What the daemon is to the agents of its tasks."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.core.reporting import Core
from daemon.session.day_budgets import HeardOf
from daemon.session.parking import Parking
from daemon.session.radar import Radar
from domain.spawn_task import Delivery


@dataclass(frozen=True)
class Host:
    """What the daemon is to the agents of its tasks."""

    daemon: str
    delivery: Delivery
    parking: Parking
    heard_of: HeardOf
    core: Core
    radar: Radar | None = None
    """Of a step; None: nothing runs beside a planner or a completion."""
