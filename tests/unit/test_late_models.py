"""Models are built when they are first used, or all at once before a process reads what others send (decision 0064)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import getmodule
from pathlib import Path

from domain.value import Late, build_models

PRINT_BUILT = """
from domain.value import Late
waiting, built = [Late], []
while waiting:
    model = waiting.pop()
    waiting += model.__subclasses__()
    built += [model.__name__] if model.__pydantic_complete__ else []
print(len(built), built)
"""
SAY_WRONG = """
import asyncio, json
from contextlib import suppress
from pydantic import TypeAdapter, ValidationError
from domain.errors import NotReachable
from domain.value import Late
from runtime.connection import connect_temporal
from runtime.exit import leave
from runtime.shared_settings import load_settings
import {process} as _
with suppress(NotReachable):
    asyncio.run(connect_temporal(load_settings(), quiet=True))
waiting, hidden = [Late], []
while waiting:
    model = waiting.pop()
    waiting += model.__subclasses__()
    hidden += [model] if model.model_config.get("hide_input_in_errors") else []
for model in hidden:
    try:
        TypeAdapter(model).validate_json(json.dumps(dict(secret="xyzzy", z=1)))
    except ValidationError as error:
        print(model.__name__, "xyzzy" in str(error))
leave(0)
"""


def every_model() -> Iterator[type[Late]]:
    """Those that the processes import."""
    for process in ("worker", "daemon.__main__", "starter", "steering.client", "steering.shapes"):
        import_module(process)
    waiting: list[type[Late]] = [Late]
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        if not str(getmodule(model)).startswith("<module 'tests"):
            yield model


def printed(script: str, folder: Path, **environment: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={"MAKIMA_DATA_DIR": str(folder), "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def test_the_commands_build_no_model_that_they_do_not_use(tmp_path: Path) -> None:
    reads = ("list", "status", "plan", "costs", "history", "logs", "why")
    script = f"import starter, ledger.reader, steering.looking; [starter.build_app(typed) for typed in {reads}]"
    assert printed(script + PRINT_BUILT, tmp_path) == "0 []\n"


def test_a_process_that_reads_of_temporal_has_built_them_and_tells_no_secret(tmp_path: Path) -> None:
    shown = {
        process: printed(SAY_WRONG.format(process=process), tmp_path, TEMPORAL_ADDRESS="127.0.0.1:1").splitlines()
        for process in ("worker", "daemon.__main__")
    }
    assert "SpawnTask False" in shown["daemon.__main__"]
    assert {"DirectiveInput False", "ProgressWrite False", "WriteAnswer False"} <= {*shown["worker"]}
    assert not [line for lines in shown.values() for line in lines if line.endswith("True")]


def test_all_are_built_at_once() -> None:
    every = [*every_model()]
    build_models()
    assert not [model for model in every if not model.__pydantic_complete__]


def test_defaults_that_were_not_validated_are_valid() -> None:
    """`model_construct` builds no model, and asks no validator either."""
    checked = 0
    for model in every_model():
        for name, field in model.model_fields.items():
            if isinstance(field.default, Late):
                again = type(field.default).model_validate(dict(field.default))
                assert again == field.default, (model, name)
                assert type(field.default).model_validate_json(field.default.model_dump_json()) == again
                checked += 1
    assert checked > 10
