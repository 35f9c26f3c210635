"""What package managers and git fetch, as plain files of a server: a package `tiny` in each of their formats."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

SITE = "https://api.example.com"
MARK = "tiny of the internet"
CARGO = '[package]\nname = "tiny"\nversion = "1.0.0"\nedition = "2021"\n'


def lay_out(web: Path, origin: Path) -> None:
    """Write them into the folder of the server; `origin` is a bare repository, which is served as files, too."""
    _npm(web)
    _pip(web)
    _cargo(web)
    subprocess.run(("git", "clone", "--quiet", "--bare", str(origin), str(web / "repo.git")), check=True)
    subprocess.run(("git", "-C", str(web / "repo.git"), "update-server-info"), check=True)


def _npm(web: Path) -> None:
    package = json.dumps({"name": "tiny", "version": "1.0.0", "main": "index.js"})
    archive = tar({"package/package.json": package, "package/index.js": f"module.exports = '{MARK}'"})
    (web / "npm").mkdir()
    (web / "npm" / "tiny-1.0.0.tgz").write_bytes(archive)
    integrity = f"sha512-{b64encode(hashlib.sha512(archive).digest()).decode()}"
    dist = {"tarball": f"{SITE}/npm/tiny-1.0.0.tgz", "integrity": integrity}
    version = {"name": "tiny", "version": "1.0.0", "dist": dist}
    document = {"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    (web / "npm" / "tiny").write_text(json.dumps(document))


def _pip(web: Path) -> None:
    folder = web / "simple" / "tiny"
    folder.mkdir(parents=True)
    wheel = folder / "tiny-1.0.0-py3-none-any.whl"
    info = "tiny-1.0.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("tiny.py", f"print({MARK!r})\n")
        made.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0.0\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(
        f'<!DOCTYPE html><html><body><a href="{wheel.name}">{wheel.name}</a></body></html>'
    )


def _cargo(web: Path) -> None:
    archive = tar({"tiny-1.0.0/Cargo.toml": CARGO, "tiny-1.0.0/src/lib.rs": f"// {MARK}\n"})
    index = web / "cargo" / "ti" / "ny"
    index.mkdir(parents=True)
    (web / "cargo" / "config.json").write_text(json.dumps({"dl": f"{SITE}/cargo/crates/{{crate}}-{{version}}.crate"}))
    (web / "cargo" / "crates").mkdir()
    (web / "cargo" / "crates" / "tiny-1.0.0.crate").write_bytes(archive)
    line = {"name": "tiny", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False}
    (index / "tiny").write_text(json.dumps({**line, "cksum": hashlib.sha256(archive).hexdigest()}) + "\n")


def tar(files: Mapping[str, str]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as made:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            made.addfile(entry, io.BytesIO(text.encode()))
    return written.getvalue()
