"""`test-notices`: whether people are reached by the channels that this machine's settings name (docs/notices.md)."""

from __future__ import annotations

import typer

from cli.operator.command_group import Commands, Json
from cli.operator.json_shapes import DoctorShown
from cli.operator.printing import print_json, print_lines
from domain.errors import Refused


class NoticeCommand(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command("test-notices")(self.test_notices)

    def test_notices(self, as_json: Json = False) -> None:
        """Send a test notice by each channel of this machine's settings, and say what became of it: a line each.

        Example: starter.py test-notices
        """
        self.run(self._test_notices(as_json=as_json))

    async def _test_notices(self, *, as_json: bool) -> int:
        health = await self.connections.try_channels()
        if not health.checks:
            raise Refused(
                "no channel is set here: set MAKIMA_NOTIFY_CHANNELS, MAKIMA_NOTIFY_COMMAND or MAKIMA_NOTIFY_WEBHOOK "
                "as the worker has it"
            )
        if as_json:
            print_json(DoctorShown(checks=health.checks))
        else:
            print_lines(health.lines())
        return 0 if health.is_good else 1
