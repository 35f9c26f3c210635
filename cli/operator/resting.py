"""When a directive rests."""

from __future__ import annotations

from domain.models import DirectiveStatus

RESTING = (DirectiveStatus.DRAFT, DirectiveStatus.IDLE, DirectiveStatus.PAUSED)


def rests(status: DirectiveStatus) -> bool:
    """Nothing more is to be expected of it until somebody acts."""
    return status.is_final or status in RESTING
