"""What every shape of `--json` has (docs/json.md).

`version` rises when a field goes or means something else; new fields may come at any time.
"""

from __future__ import annotations

from typing import Literal

from domain.value import Value


class Shown(Value):
    """One object on one line."""

    version: Literal[1] = 1
