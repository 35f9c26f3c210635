"""A line may be as long as an embedded picture: what looks through text from outside reads it once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from daemon.git.local import _PARTIAL
from daemon.logs.masking import Masker
from daemon.secrets.secret_scan import SecretShapes, secrets_in
from daemon.secrets.secret_shapes import CONTENTS, NAMES
from domain.names import sanitized
from domain.repository_url import masked
from domain.visible import visible

SHAPES = SecretShapes(re.compile("|".join(NAMES), re.IGNORECASE), re.compile("|".join(CONTENTS).encode()))
READERS: dict[str, Callable[[str], object]] = {
    "the secrets of a commit": lambda text: secrets_in(text.encode(), SHAPES),
    "the masks of a log": Masker().mask,
    "an address in what git says": masked,
    "a repository's configuration": _PARTIAL.search,
    "a title": sanitized,
    "what is shown": visible,
}
REPEATED = (
    "a",
    "A1",
    "aB3d",
    "9",
    "/",
    "a/",
    "-",
    "_",
    "=",
    ".",
    "a.",
    "\n",
    " ",
    "\t",
    "\\n",
    '\\"',
    '"',
    "a:",
    "a=",
    "https://",
    "://",
)


@pytest.mark.parametrize("reader", READERS)
def test_a_long_line_is_read_once(reader: str) -> None:
    for each in REPEATED:
        began = time.process_time()
        READERS[reader](each * (200_000 // len(each)))
        assert time.process_time() - began < 15, each
