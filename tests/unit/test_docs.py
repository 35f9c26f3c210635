"""What the documentation shows is what the code takes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from cli.operator.shown import SHAPES
from daemon.settings import DaemonSettings
from domain.protocol import SearchAttribute

DOCS = Path(__file__).parents[2]


def test_the_documented_settings_are_a_daemons() -> None:
    text = (DOCS / "docs" / "daemon.md").read_text()
    block = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0]
    settings = DaemonSettings.model_validate(tomllib.loads(block))
    assert set(settings.served()) == {"claude", "shell"}
    shown = set(tomllib.loads(block))
    assert shown == set(DaemonSettings.model_fields), "every setting is shown"


def test_the_documented_agents_are_a_daemons() -> None:
    block = re.findall(r"```toml\n(.*?)```", (DOCS / "docs" / "agents.md").read_text(), re.DOTALL)[0]
    settings = DaemonSettings.model_validate({"name": "here", **tomllib.loads(block)})
    shown = {field for table in tomllib.loads(block)["agents"].values() for field in table}
    known = {field for agent in settings.agents.values() for field in type(agent).model_fields}
    assert shown == known, "every setting is shown"


def test_scripts_and_documents_name_the_search_attributes_that_there_are() -> None:
    script = (DOCS / "docker" / "temporal-namespace.sh").read_text()
    for kind in ("Keyword", "Int"):
        (named,) = re.findall(rf"^insist search_attributes {kind} (.*)$", script, re.M)
        assert set(named.split()) == {each.value for each in SearchAttribute if each.type == kind}
    for page in ("operations.md", "terminal.md"):
        text = (DOCS / "docs" / page).read_text()
        assert all(f"`{each.value}`" in text for each in SearchAttribute), page


def test_the_guides_settings_are_a_daemons() -> None:
    texts = [page.read_text() for page in sorted((DOCS / "docs" / "guides").glob("*.md"))]
    files = [file for text in texts for file in re.findall(r"daemon\.toml <<'END'\n(.*?)^END$", text, re.DOTALL | re.M)]
    assert len(files) == 2
    for file in files:
        assert list(DaemonSettings.model_validate(tomllib.loads(file)).served()) == ["claude"]


def shapes(model: Any) -> Iterator[type[BaseModel]]:
    """A model and all that are in it."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        yield model
        for field in model.model_fields.values():
            yield from shapes(field.annotation)
    for inside in get_args(model):
        yield from shapes(inside)


def test_every_field_of_every_json_is_documented_and_no_other() -> None:
    text = (DOCS / "docs" / "json.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE))
    documented = {name: set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) for name, table in sections.items()}
    models = {shape.__name__: shape for model in SHAPES.values() for shape in shapes(model)}
    printed = {name: {*shape.model_fields, *shape.model_computed_fields} for name, shape in models.items()}
    assert documented == printed
    for command, model in SHAPES.items():
        assert f"`{command}`" in sections[model.__name__] or command == "every action", command
        assert model.model_fields["version"].default == 1


def test_every_test_that_is_named_as_proof_is_there() -> None:
    text = (DOCS / "docs" / "done-means-done.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    for file, test in named:
        assert (DOCS / file).is_file(), file
        assert not test or f"def {test}(" in (DOCS / file).read_text(), f"{file}::{test}"
    for row in re.findall(r"^\| .*$", text, re.MULTILINE):
        is_known = "tests/" in row or "| the same |" in row or row.startswith("| kind |")
        assert is_known, f"no test: {row}"
