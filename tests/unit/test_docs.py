"""What the documentation shows is what the code takes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from cli.operator.json_shapes import SHAPES
from daemon.settings import DaemonSettings
from domain.search_attributes import SearchAttribute

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


def test_every_page_is_in_the_index_and_no_other() -> None:
    index = (DOCS / "docs" / "README.md").read_text()
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert linked == {page.name for page in (DOCS / "docs").glob("*.md")} - {"README.md"}


CLAIMS = ("security.md", "sandbox.md")
NO_CLAIM = ("What it does not protect from", "Without it")
"""Sections that say what is not kept from happening."""


def claims(page: str) -> tuple[str, dict[str, list[str]]]:
    """The page without its notes, and each note's mark with the tests that it names."""
    text = (DOCS / "docs" / page).read_text()
    notes = re.findall(r"^\[\^([a-z]+)\]: (.*)$", text, re.M)
    assert len(notes) == len(dict(notes)), f"{page} has a note twice"
    told = re.sub(r"^\[\^[a-z]+\]: .*\n?", "", text, flags=re.M)
    return told, {mark: re.findall(r"`([^`]+)`", tests) for mark, tests in notes}


@pytest.mark.parametrize("page", CLAIMS)
def test_every_claim_about_what_is_kept_out_names_tests_that_there_are(page: str) -> None:
    told, notes = claims(page)
    assert set(re.findall(r"\[\^([a-z]+)\]", told)) == set(notes), "a mark without a note, or a note without a mark"
    for mark, tests in notes.items():
        assert tests, mark
        for test in tests:
            file, _, function = test.partition("::")
            assert Path(file).name.startswith("test_") and (DOCS / file).is_file(), f"[^{mark}]: {test}"
            defined = re.findall(r"^(?:async )?def (\w+)\(", (DOCS / file).read_text(), re.M)
            assert not function or function in defined, f"[^{mark}]: {test}"


@pytest.mark.parametrize("page", CLAIMS)
def test_no_list_of_what_is_kept_out_has_an_entry_that_no_test_shows(page: str) -> None:
    """Outside of the sections that say what is not kept from happening."""
    told, _ = claims(page)
    sections = {part.partition("\n")[0]: part for part in re.split(r"^## ", told, flags=re.M)}
    forgotten = []
    for title, section in sections.items():
        if title in NO_CLAIM:
            continue
        points = re.findall(r"^- .*(?:\n  .*)*", section, re.M)
        # A header says what a column is; a row whose last column is empty keeps nothing out.
        points += re.findall(r"^\|(?! \|\n|-|.*what it can't).*[^ |] \|$", section, re.M)
        forgotten += [point for point in points if "[^" not in point]
    assert [point.split("\n")[0][:60] for point in forgotten] == []


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
