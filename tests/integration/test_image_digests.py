"""locks/images.py against a registry on this machine: digests come from it alone, and a bad answer changes nothing."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILES = ("docker-compose.yml", "Dockerfile")


class Registry(ThreadingHTTPServer):
    """Answers for every image with a manifest that names it, to who has its token; `spoil` is a kind of bad answer."""

    spoil = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        spoil, digest, body = self.server.spoil, None, f'{{"schemaVersion": 2, "of": "{self.path}"}}'.encode()
        if self.path.startswith("/token"):
            self.say(200, b'{"token": "two words"}' if spoil == "token" else b'{"token": "abc"}')
            return
        if self.headers["Authorization"] != "Bearer abc":
            realm = "http://registry.invalid" if spoil == "realm" else f"{self.server.url}/token"
            self.say(401, b"", **{"WWW-Authenticate": f'Bearer realm="{realm}",service="here",scope="pull"'})
            return
        match spoil:
            case "missing":
                self.say(404, b"{}")
            case "no json":
                self.say(200, b"<html>")
            case "deep":
                self.say(200, b"[" * 100_000)
            case "no manifest":
                self.say(200, b"[1]")
            case "endless":
                self.say(200, b"x" * (5 * 1024 * 1024))
            case "round":
                self.say(302, b"", Location=self.path)
            case _:
                digest = "md5:1\x1b[2J" if spoil == "digest" else f"sha256:{hashlib.sha256(body).hexdigest()}"
                self.say(200, body, **{"Docker-Content-Digest": digest})

    def say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry(("127.0.0.1", 0), Answers) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "locks").mkdir()
    for file in (*FILES, "locks/images.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def pin(house: Path, *args: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(house / "locks" / "images.py"), *args]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_every_image_gets_the_digest_that_the_registry_tells_and_a_second_time_changes_nothing(
    house: Path, registry: Registry
) -> None:
    done = pin(house, registry.url)
    assert (done.returncode, done.stderr) == (0, "")
    text = "".join((house / file).read_text() for file in FILES)
    images = re.findall(r"^\s*(?:image:|FROM) +(\S+)", text, re.MULTILINE)
    assert {image for image in images if "@" not in image} == {"makima:local"}
    path = "/v2/library/postgres/manifests/18.6"
    digest = hashlib.sha256(f'{{"schemaVersion": 2, "of": "{path}"}}'.encode()).hexdigest()
    assert f"image: postgres:18.6@sha256:{digest}\n" in text
    assert pin(house, registry.url).returncode == 0
    assert "".join((house / file).read_text() for file in FILES) == text


@pytest.mark.parametrize(
    "spoil",
    ["missing", "no json", "deep", "no manifest", "endless", "round", "digest", "token", "realm"],
)
def test_a_bad_answer_is_one_line_and_changes_nothing(house: Path, registry: Registry, spoil: str) -> None:
    registry.spoil = spoil
    done = pin(house, registry.url)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.strip().isprintable()
    assert [(house / file).read_text() for file in FILES] == [(ROOT / file).read_text() for file in FILES]


@pytest.mark.parametrize(("args", "code"), [((), 2), (("registry.example.com",), 2), (("http://127.0.0.1:1",), 3)])
def test_a_registry_that_is_none_or_away_is_one_line(house: Path, args: tuple[str, ...], code: int) -> None:
    done = pin(house, *args)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
