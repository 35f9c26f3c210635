"""Look after a pull request between completions (rule 7.5); needs a daemon, but no agent (design 10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.beating import beating
from activities.ports import Shepherd
from domain.errors import ForgeUnreachable
from domain.protocol import ErrorType
from domain.pull_request import Sighting, Watch
from domain.tidied import Tidied, Tidying

LONGEST_PAUSE = timedelta(days=1)
"""Between two looks, whatever a forge says."""
NOTHING_NEW = "nothing has happened"
"""What a look says that is only to be tried again."""


class PullRequestActivities:
    def __init__(self, shepherd: Shepherd, name: str) -> None:
        self._shepherd = shepherd
        self._name = name

    @activity.defn
    async def watch_pull_request(self, watch: Watch) -> Sighting:
        """Poll until there is news. A poll without any fails, to be tried again later: that costs no history (design
        11). How many there were travels in the heartbeat of the failed attempt.
        """
        quiet = _quiet_polls()
        try:
            async with beating(quiet):
                sighting = await self._shepherd.look(watch)
        except ForgeUnreachable as away:
            activity.heartbeat(quiet)
            raise no_news(str(away), longer(_until_next_poll(watch, quiet), away.until)) from away
        if sighting is None:
            activity.heartbeat(quiet + 1)
            raise no_news(NOTHING_NEW, _until_next_poll(watch, quiet))
        return sighting.model_copy(update={"daemon": self._name})

    @activity.defn
    async def tidy_pull_request(self, tidying: Tidying) -> Tidied:
        """Delete on the remote what merged pull requests have left there."""
        async with beating():
            return await self._shepherd.tidy(tidying)


def _quiet_polls() -> int:
    details = activity.info().heartbeat_details
    told = details[0] if details else 0
    return max(told, 0) if isinstance(told, int) else 0


def _until_next_poll(watch: Watch, quiet: int) -> timedelta:
    """How long to wait after `quiet` polls without news: half as long again each time, up to the most."""
    return min(watch.every * 1.5 ** min(quiet, 30), watch.at_most)


def longer(pause: timedelta, until: datetime | None) -> timedelta:
    """Forges say when they can be asked again, some of them never."""
    return max(pause, min(until - datetime.now(UTC), LONGEST_PAUSE)) if until else pause


def no_news(why: str, pause: timedelta) -> ApplicationError:
    """The failure of a poll that is to be tried again after `pause`."""
    return ApplicationError(
        why, type=ErrorType.NO_NEWS, next_retry_delay=pause, category=ApplicationErrorCategory.BENIGN
    )
