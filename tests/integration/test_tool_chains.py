"""What is built in the sandbox by the tool chains of a home folder (docs/sandbox.md, Tool chains)."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.conftest import Committer
from tests.integration.deliveries import Steps
from tests.needs import need_sandbox
from tests.tool_homes import ToolHome, lay_out_go, lay_out_java, lay_out_node, lay_out_python, lay_out_rust


def outside(argv: tuple[str, ...], cwd: Path, env: dict[str, str]) -> None:
    """As the user of the machine runs it."""
    subprocess.run(argv, cwd=cwd, env=env, check=True, capture_output=True)


@pytest_asyncio.fixture
async def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, steps: Steps, commit: Committer) -> ToolHome:
    await need_sandbox(tmp_path)
    return ToolHome(tmp_path_factory.mktemp("home"), steps, commit, tmp_path)


async def test_a_python_project_is_built_by_pyenvs_python_venv_and_pip(home: ToolHome) -> None:
    lay_out_python(home)
    said = await home.does(
        """command -v python3
        mkdir -p tiny-1.dist-info wheels; echo 'MARK = "it is built"' > tiny.py
        printf 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n' > tiny-1.dist-info/METADATA
        printf 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n' > tiny-1.dist-info/WHEEL
        printf 'tiny.py,,\\ntiny-1.dist-info/METADATA,,\\ntiny-1.dist-info/WHEEL,,\\ntiny-1.dist-info/RECORD,,\\n' \
            > tiny-1.dist-info/RECORD
        python3 -m zipfile -c wheels/tiny-1-py3-none-any.whl tiny.py tiny-1.dist-info; rm tiny.py
        python3 -m venv v; v/bin/pip install --quiet --no-index --find-links wheels tiny
        cd /; "$OLDPWD"/v/bin/python -c 'import tiny; print(tiny.MARK)'"""
    )
    assert {f"{home.path}/.pyenv/shims/python3", "it is built"} <= {*said}, said


async def test_a_node_project_is_installed_by_nvms_npm_from_the_downloads_of_its_user(home: ToolHome) -> None:
    version = lay_out_node(home)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in {
            "package.json": '{"name":"tiny","version":"1.0.0"}',
            "index.js": 'module.exports="built"',
        }.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    tarball = home.file("tiny.tgz")
    tarball.write_bytes(packed.getvalue())
    argv = ("npm", "cache", "add", str(tarball), "--cache", str(home.path / ".npm"))
    outside(argv, home.path, {"PATH": os.environ["PATH"], "HOME": str(home.path)})
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(packed.getvalue()).digest()).decode()}"
    lock = (
        '{"name":"house","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"house",'
        '"version":"1.0.0","dependencies":{"tiny":"1.0.0"}},"node_modules/tiny":{"version":"1.0.0",'
        f'"resolved":"http://packages.invalid/tiny-1.0.0.tgz","integrity":"{integrity}"}}}}}}'
    )
    home.project = {"package.json": '{"name":"house","version":"1.0.0","dependencies":{"tiny":"1.0.0"}}'}
    home.project |= {"package-lock.json": lock}
    said = await home.does(
        """command -v node; npm ci --offline --no-audit --no-fund; node -p 'require("tiny")'
        date > "$npm_config_cache"/mine; find "$npm_config_cache" -type l | head -1 | xargs -r readlink"""
    )
    assert {f"{home.path}/.nvm/versions/node/{version}/bin/node", "built"} <= {*said}, said
    assert not (home.path / ".npm" / "mine").exists()


async def test_a_rust_project_is_built_by_rustups_cargo(home: ToolHome) -> None:
    lay_out_rust(home)
    said = await home.does(
        """mkdir -p c/src c/tiny/src; cd c; command -v cargo
        printf '[package]\\nname = "house"\\nversion = "1.0.0"\\n' > Cargo.toml
        printf '[dependencies]\\ntiny = { path = "tiny" }\\n' >> Cargo.toml
        printf '[package]\\nname = "tiny"\\nversion = "1.0.0"\\n' > tiny/Cargo.toml
        echo 'pub const MARK: &str = "it is built";' > tiny/src/lib.rs
        echo 'fn main() { println!("{}", tiny::MARK) }' > src/main.rs
        cargo run --quiet --offline"""
    )
    assert {f"{home.path}/.cargo/bin/cargo", "it is built"} <= {*said}, said


async def test_a_go_project_is_built_with_modules_that_its_user_has_downloaded(home: ToolHome, tmp_path: Path) -> None:
    lay_out_go(home)
    proxy = home.path / "proxy/example.com/tiny/@v"
    proxy.mkdir(parents=True)
    (proxy / "list").write_text("v1.0.0\n")
    (proxy / "v1.0.0.info").write_text('{"Version":"v1.0.0"}')
    (proxy / "v1.0.0.mod").write_text("module example.com/tiny\n")
    with zipfile.ZipFile(proxy / "v1.0.0.zip", "w") as module:
        module.writestr("example.com/tiny@v1.0.0/go.mod", "module example.com/tiny\n")
        module.writestr("example.com/tiny@v1.0.0/tiny.go", 'package tiny\n\nconst Mark = "it is built"\n')
    home.project = {
        "go.mod": "module house\n\ngo 1.19\n\nrequire example.com/tiny v1.0.0\n",
        "main.go": 'package main\n\nimport "example.com/tiny"\n\nfunc main() { println(tiny.Mark) }\n',
    }
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name, text in home.project.items():
        (elsewhere / name).write_text(text)
    own = {"HOME": str(home.path), "PATH": os.environ["PATH"], "GOPROXY": f"file://{home.path}/proxy", "GONOSUMDB": "*"}
    own |= {"GOFLAGS": "-mod=mod -modcacherw", "GOTOOLCHAIN": "local", "GOCACHE": str(tmp_path / "gocache")}
    outside(("go", "mod", "download", "example.com/tiny"), elsewhere, own)
    assert (home.path / "go/pkg/mod/cache/download/example.com/tiny/@v/v1.0.0.zip").exists()
    said = await home.does(
        "command -v go; go run .; test -d $GOMODCACHE/example.com/tiny@v1.0.0 && echo unpacked",
        env={"GOPROXY": "off", "GONOSUMDB": "*", "GOFLAGS": "-mod=mod -modcacherw", "GOTOOLCHAIN": "local"},
    )
    assert {f"{home.path}/sdk/go1.99/bin/go", "it is built", "unpacked"} <= {*said}, said


async def test_a_java_project_is_built_by_sdkmans_java(home: ToolHome) -> None:
    lay_out_java(home)
    said = await home.does(
        """command -v javac; echo "$JAVA_HOME"
        echo 'public class House { public static void main(String[] a) { System.out.println("it is built"); } }' \\
            > House.java
        javac House.java; jar --create --file house.jar --main-class House House.class; java -jar house.jar"""
    )
    assert {f"{home.path}/.sdkman/candidates/java/current/bin/javac", "it is built"} <= {*said}, said
    assert f"{home.path}/.sdkman/candidates/java/current" in said
