"""What a process of ours says of itself: lines for people, or JSON with the ids of the work in it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from pythonjsonlogger.json import JsonFormatter
from temporalio import activity, workflow

from runtime.shared_settings import LogFormat, SharedSettings

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s"
_NAMES = {"asctime": "at", "levelname": "level", "name": "logger"}


class _Masked(logging.Formatter):
    """Another one's lines, as `mask` leaves them."""

    def __init__(self, inner: logging.Formatter, mask: Callable[[str], str]) -> None:
        super().__init__()
        self._inner = inner
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        return self._mask(self._inner.format(record))


def set_up_logging(settings: SharedSettings, process: str, mask: Callable[[str], str] = str) -> None:
    """Log to stderr as the settings say; `process` is `worker` or `daemon:<name>`; `mask` takes secrets out."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format is LogFormat.JSON:
        json = JsonFormatter(_JSON, rename_fields=_NAMES, static_fields={"process": process})
        handler.setFormatter(_Masked(json, mask))
        handler.addFilter(_with_ids)
    else:
        handler.setFormatter(_Masked(logging.Formatter(_TEXT), mask))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    # What the SDK says at "debug" holds what activities return: to a run from the record the directive's secret.
    logging.getLogger("temporalio.worker").setLevel(max(logging.INFO, logging.root.level))


def _with_ids(record: logging.LogRecord) -> bool:
    """Names the directive's workflow and the activity that the line was written in; always True."""
    if workflow.in_workflow():
        info = workflow.info()
        record.workflow, record.run = info.workflow_id, info.run_id
    elif activity.in_activity():
        at = activity.info()
        record.workflow, record.run = at.workflow_id, at.workflow_run_id
        record.activity, record.activity_type, record.delivery = at.activity_id, at.activity_type, at.attempt
    return True
