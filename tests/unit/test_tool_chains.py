"""Which tool chains are found in a home folder, and what of them is shown (docs/sandbox.md, Tool chains)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from daemon.doctor.tool_chains import certificate_checks, tool_chain_checks
from daemon.sandbox.certificates import find_certificates
from daemon.tool_chains.caches import COPIED
from daemon.tool_chains.machine_tools import GivenTools, MachineTools
from daemon.tool_chains.places import MachinePlaces
from daemon.tool_chains.tool_chain import ToolChain, shipped

Program = Callable[[str], Path]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "own" / "delivery").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def program(home: Path) -> Program:
    def make(name: str) -> Path:
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
        return file

    return make


def tools_of(home: Path, chains: dict[str, ToolChain] | None = None, **environ: str) -> MachineTools:
    own = home.parent / "own"
    return MachineTools(chains or {}, {"HOME": str(home), "PATH": "", **environ}, own, hidden=(own,))


def equipped(home: Path, chains: dict[str, ToolChain] | None = None, **environ: str) -> GivenTools:
    own = home.parent / "own" / "delivery"
    return tools_of(home, chains, **environ).equip(own, home.parent / "task", is_boxed=True)


LAID = {
    "rustup": (".rustup/toolchains/stable/bin/rustc", {"RUSTUP_HOME": ".rustup"}, ""),
    "cargo": (".cargo/bin/cargo", {}, ".cargo/bin"),
    "pyenv": (".pyenv/versions/3.12.1/bin/python", {"PYENV_ROOT": ".pyenv"}, ""),
    "uv": (".local/share/uv/python/cpython-3.12/bin/python3", {"UV_PYTHON_INSTALL_DIR": ".local/share/uv/python"}, ""),
    "nvm": (".nvm/versions/node/v20.1.0/bin/node", {"NVM_DIR": ".nvm"}, ".nvm/versions/node/v20.1.0/bin"),
    "fnm": (".local/share/fnm/node-versions/v20.1.0/installation/bin/node", {"FNM_DIR": ".local/share/fnm"}, ""),
    "volta": (".volta/tools/image/node/20.1.0/bin/node", {"VOLTA_HOME": ".volta"}, ""),
    "sdkman": (".sdkman/candidates/java/21/bin/java", {"SDKMAN_DIR": ".sdkman"}, ""),
    "go-sdk": ("sdk/go1.22/bin/go", {}, "sdk/go1.22/bin"),
    "gopath": ("go/bin/gopls", {}, "go/bin"),
    "rbenv": (".rbenv/versions/3.3.0/bin/ruby", {"RBENV_ROOT": ".rbenv"}, ""),
    "asdf": (".asdf/installs/nodejs/20/bin/node", {"ASDF_DATA_DIR": ".asdf"}, ""),
    "mise": (".local/share/mise/installs/node/20/bin/node", {"MISE_DATA_DIR": ".local/share/mise"}, ""),
}


@pytest.mark.parametrize("name", LAID)
def test_a_tool_chain_is_found_where_it_lays_itself_and_programs_find_it(
    home: Path, program: Program, name: str
) -> None:
    file, variables, path = LAID[name]
    made = program(file)
    tools = equipped(home)
    assert any(made.is_relative_to(shown) for shown in tools.view)
    assert {variable: str(home / folder) for variable, folder in variables.items()}.items() <= tools.variables.items()
    assert not path or str(home / path) in tools.path


def test_a_variable_of_the_daemons_says_where_it_is(home: Path, program: Program, tmp_path: Path) -> None:
    program(".rustup/toolchains/stable/bin/rustc")
    (home / ".rustup").rename(tmp_path / "elsewhere")
    tools = equipped(home, RUSTUP_HOME=str(tmp_path / "elsewhere"))
    assert tools.variables["RUSTUP_HOME"] == str(tmp_path / "elsewhere")
    assert tmp_path / "elsewhere/toolchains/stable/bin" in tools.view


def test_shims_and_the_version_in_use_are_on_path(home: Path, program: Program) -> None:
    for name in ("v18.2.0", "v20.1.0", "v22.0.0"):
        program(f".nvm/versions/node/{name}/bin/node")
    program(".nvm/alias/default").write_text("lts/*\n")
    program(".nvm/alias/lts/*").write_text("lts/iron\n")
    program(".nvm/alias/lts/iron").write_text("v20.1.0\n")
    for shims in (".pyenv/shims/python", ".rbenv/shims/ruby", ".asdf/shims/node", ".volta/bin/node"):
        program(shims)
    program(".sdkman/candidates/java/21/bin/java")
    (home / ".sdkman/candidates/java/current").symlink_to("21")
    path = [Path(each).relative_to(home).as_posix() for each in equipped(home).path]
    assert ".nvm/versions/node/v20.1.0/bin" in path
    assert ".sdkman/candidates/java/current/bin" in path
    assert {".pyenv/shims", ".rbenv/shims", ".asdf/shims", ".volta/bin"} <= {*path}
    (home / ".nvm/alias/default").write_text("../../.ssh/id_rsa")
    assert str(home / ".nvm/versions/node/v22.0.0/bin") in equipped(home).path


def test_a_program_of_its_own_is_shown_and_not_its_folder(home: Path, program: Program) -> None:
    program(".local/bin/uv")
    program(".local/bin/deploy")
    view = equipped(home).view
    assert home / ".local/bin/uv" in view
    assert not any((home / ".local/bin/deploy").is_relative_to(shown) for shown in view)


@pytest.mark.parametrize(
    "name",
    [
        *(".cargo/credentials.toml", ".cargo/credentials", ".cargo/config.toml", ".npmrc", ".config/pip/pip.conf"),
        *(".netrc", ".m2/settings.xml", ".gradle/gradle.properties", ".gem/credentials", ".ssh/id_ed25519"),
        *(".nvm/.npmrc", ".pyenv/.git/config", ".sdkman/etc/config", ".volta/hooks.json", ".rustup/credentials.toml"),
        *("go/pkg/mod/cache/vcs/x/config", ".config/go/env", ".config/mise/config.toml", ".asdf/plugins/x/.git/config"),
    ],
)
def test_what_is_no_program_is_not_shown(home: Path, program: Program, name: str) -> None:
    for file, _, _ in LAID.values():
        program(file)
    secret = program(name)
    assert not any(secret.is_relative_to(shown) for shown in equipped(home).view)


@pytest.mark.parametrize(
    "name",
    [
        *(".nvm/versions/node/v20/lib/node_modules/npm/npmrc", ".nvm/versions/node/v20/lib/.npmrc"),
        *(".pyenv/versions/3.12/lib/python3.12/.netrc", ".rustup/toolchains/stable/lib/credentials.toml"),
        *(".sdkman/candidates/maven/3/conf/settings.xml", ".rbenv/versions/3/lib/ruby/.gem/credentials"),
        *(".cargo/bin/.npmrc", ".volta/tools/image/node/20/etc/npmrc", ".asdf/installs/x/1/lib/.ssh/whatever"),
    ],
)
def test_a_file_with_credentials_in_what_is_shown_is_empty_there(home: Path, program: Program, name: str) -> None:
    parts = name.split("/")
    version = "/".join(parts[: parts.index("lib" if "lib" in parts else "conf" if "conf" in parts else parts[-2])])
    for each in ("rustc", "python", "node", "ruby", "mvn", "cargo"):
        program(f"{version}/bin/{each}")
    secret = program(name)
    tools = equipped(home)
    hidden = {each: tools.masked[each] for each in tools.masked if secret.is_relative_to(each)}
    is_shown = any(secret.is_relative_to(each) for each in tools.view)
    assert hidden or not is_shown
    for operation in hidden.values():
        assert not Path(operation[1]).is_file() or not Path(operation[1]).read_text()


def test_a_hard_link_to_the_users_credentials_is_the_same_file(home: Path, program: Program) -> None:
    program(".rustup/toolchains/stable/bin/rustc")
    secret = program(".cargo/credentials.toml")
    again = home / ".rustup/toolchains/stable/lib/notes.txt"
    again.parent.mkdir()
    os.link(secret, again)
    assert again in equipped(home).masked


def test_what_was_laid_into_a_folder_since_the_last_look_is_found(home: Path, program: Program) -> None:
    program(".rustup/toolchains/stable/bin/rustc")
    program(".rustup/toolchains/stable/lib/a/b/c")
    tools = tools_of(home)
    assert not any(chain.masked for chain in tools.take_inventory().chains)
    for folder in (home / ".rustup").rglob("*"):
        os.utime(folder, (1, 1))
    tools.take_inventory()
    later = program(".rustup/toolchains/stable/lib/a/b/.npmrc")
    assert [chain.masked for chain in tools.take_inventory().chains] == [[later]]


@pytest.mark.parametrize("target", ["/", "{home}", "{home}/..", "/etc", "/proc/self/root", "{own}", "{home}/.ssh"])
@pytest.mark.parametrize(
    "place",
    [
        *(".rustup", ".rustup/toolchains", ".rustup/toolchains/mine", ".cargo/bin", ".local/share/mise/installs/x/1"),
        *(".m2/repository", ".npm/_cacache", ".npm/_cacache/content-v2"),
    ],
)
def test_a_link_in_place_of_a_folder_shows_no_more_than_programs(
    home: Path, program: Program, place: str, target: str
) -> None:
    secret = program(".ssh/deploy")
    program("notes/private")
    (home / place).parent.mkdir(parents=True, exist_ok=True)
    (home / place).symlink_to(target.format(home=home, own=home.parent / "own"))
    for at in equipped(home).view:
        real = at.resolve()
        assert not secret.is_relative_to(real) and not (home / "notes/private").is_relative_to(real), at
        assert not Path("/etc/shadow").is_relative_to(real), at


def test_folders_of_the_system_without_programs_are_no_tool_chain(home: Path) -> None:
    places = MachinePlaces({"HOME": str(home)})
    assert all(places.is_too_wide(Path(each)) for each in ("/", "/etc", "/proc/self", "/run", "/dev/shm"))
    assert not places.is_too_wide(Path("/usr/lib"))


def test_a_tool_chain_that_lies_elsewhere_is_shown_by_both_names(home: Path, program: Program, tmp_path: Path) -> None:
    program(".rustup/toolchains/stable/bin/rustc")
    (home / ".rustup").rename(tmp_path / "disk")
    (home / ".rustup").symlink_to(tmp_path / "disk")
    view = equipped(home).view
    assert {home / ".rustup/toolchains/stable/bin", tmp_path / "disk/toolchains/stable/bin"} <= {*view}


def test_downloads_are_shared_and_a_tasks_own_writes_kept_apart(home: Path, program: Program, tmp_path: Path) -> None:
    large, small = "x" * (COPIED + 1), "small"
    cached = home / ".npm/_cacache"
    for name, text in {"content-v2/sha512/a": large, "index-v5/b": small, "index-v5/.npmrc": "k", "x.lock": ""}.items():
        program(f".npm/_cacache/{name}").write_text(text)
    os.link(program(".netrc"), cached / "content-v2/sha512/again")
    tools = equipped(home)
    (tmp_path / "work").mkdir()
    (tmp_path / "work/package.json").touch()
    tools.lay_out(tmp_path / "work")
    own = Path(tools.variables["npm_config_cache"])
    again = cached / "content-v2/sha512/again"
    assert again in tools.masked and not (own / "_cacache/content-v2/sha512/again").exists()
    assert (own / "_cacache/content-v2/sha512/a").readlink() == cached / "content-v2/sha512/a"
    assert (own / "_cacache/index-v5/b").read_text() == small and not (own / "_cacache/index-v5/b").is_symlink()
    assert not (own / "_cacache/index-v5/.npmrc").exists()
    assert tools.view[cached / "content-v2"][0] == "--ro-bind-try"
    assert tools.view[own.parent] == ("--bind", str(own.parent))
    assert not equipped(home).caches, "an agent may have been in a folder that was there"


def test_uv_finds_folders_in_its_cache_and_links_to_files_alone(home: Path, program: Program, tmp_path: Path) -> None:
    """It refuses a link in place of a folder of an archive, as 0.13.9 was seen to."""
    archive = ".cache/uv/archive-v0/K9n/six-1.dist-info"
    for name in ("METADATA", "RECORD"):
        program(f"{archive}/{name}")
    tools = equipped(home)
    (tmp_path / "work").mkdir()
    (tmp_path / "work/uv.lock").touch()
    tools.lay_out(tmp_path / "work")
    own = Path(tools.variables["UV_CACHE_DIR"]) / "archive-v0/K9n/six-1.dist-info"
    assert not any(each.is_symlink() for each in (own, *own.parents[:3]))
    assert [each.readlink() for each in sorted(own.iterdir())] == [home / archive / n for n in ("METADATA", "RECORD")]


def test_what_no_project_of_its_kind_uses_is_not_laid_out(home: Path, program: Program, tmp_path: Path) -> None:
    program(".npm/_cacache/index-v5/b")
    tools = equipped(home)
    (tmp_path / "work").mkdir()
    tools.lay_out(tmp_path / "work")
    assert not Path(tools.variables["npm_config_cache"]).exists()


def test_the_settings_add_a_tool_chain_without_python(home: Path, program: Program) -> None:
    zig = ToolChain(folders=("~/.zig",), versions=("*",), proof=("zig",), parts=("zig", "lib"), path=("0.13",))
    program(".zig/0.13/zig")
    program(".zig/0.13/lib/.netrc")
    tools = equipped(home, {"zig": zig})
    assert home / ".zig/0.13/zig" in tools.view
    assert str(home / ".zig/0.13") in tools.path
    assert home / ".zig/0.13/lib/.netrc" in tools.masked


@pytest.mark.parametrize("pattern", ["..", "../x", "/etc", "a/../..", "**", ""])
def test_a_pattern_stays_below_its_folder(pattern: str) -> None:
    with pytest.raises(ValidationError):
        ToolChain(folders=("~/x",), show=(pattern,))


def test_the_table_says_where_each_folder_is() -> None:
    for name, chain in shipped().items():
        assert chain.folders or chain.cache, name
        assert not chain.versions or chain.proof, name


def test_doctor_names_versions_what_is_shown_and_what_is_not_and_why(home: Path, program: Program) -> None:
    program(".rustup/toolchains/stable/bin/rustc")
    program(".rustup/toolchains/stable/lib/.npmrc")
    (home / ".rustup/toolchains/mine").symlink_to(home)
    program("bin/rustc")
    program(".npm/_cacache/index-v5/b")
    lines = {check.about: check.found for check in tool_chain_checks(tools_of(home).take_inventory(), home)}
    said = lines["tool chain rustup"]
    assert said.startswith("~/.rustup; versions: toolchains/stable; shown, to be read: toolchains/stable/bin")
    assert "not shown: toolchains/stable/lib/.npmrc may hold credentials" in said
    assert "toolchains/mine leads to a folder that holds more than a tool chain" in said
    assert lines["downloads npm"] == "~/.npm; shared, to be read: _cacache/index-v5"


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


def test_certificates_that_variables_name_are_shown_and_nothing_else(home: Path, program: Program) -> None:
    good = program("ca.pem")
    good.write_text(CERTIFICATE)
    folder = program("ca.d/one.pem").parent
    (folder / "one.pem").write_text(CERTIFICATE)
    (folder / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    both, other = program("client.pem"), program(".npmrc")
    both.write_text(f"{CERTIFICATE}-----BEGIN RSA PRIVATE KEY-----\n")
    names = ("PIP_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO", "npm_config_cafile")
    environ = {**dict.fromkeys(names, str(good)), "SSL_CERT_DIR": str(folder), "CURL_CA_BUNDLE": str(both)}
    environ |= {"REQUESTS_CA_BUNDLE": str(other), "SSL_CERT_FILE": str(home), "OTHER": str(other)}
    certificates = find_certificates(environ)
    assert {*certificates.shown} == {good, folder / "one.pem"}
    told = [check.found for check in certificate_checks(certificates)]
    assert len(told) == 2 and any("CURL_CA_BUNDLE" in line and "private key" in line for line in told)


def test_what_its_user_may_not_look_at_or_leads_in_a_circle_keeps_no_other_from_being_found(
    home: Path, program: Program
) -> None:
    program(".nvm/versions/node/v20/bin/node")
    for circle in (".rustup", ".npmrc", ".cargo/bin", ".npm/_cacache"):
        (home / circle).parent.mkdir(exist_ok=True)
        (home / circle).symlink_to(Path(circle).name)
    (home / ".config").mkdir()
    (home / ".config/circle").symlink_to("circle")
    assert str(home / ".nvm/versions/node/v20/bin") in equipped(home).path


def test_which_versions_a_user_has_chosen_is_handed_on_and_nothing_else_of_those_files(
    home: Path, program: Program
) -> None:
    program(".local/share/mise/installs/node/22.1.0/bin/node")
    program(".asdf/installs/ruby/3.3.0/bin/ruby")
    mise = home / ".config/mise/config.toml"
    mise.parent.mkdir(parents=True)
    mise.write_text(
        """[env]
        TOKEN = "geheim"
        [tools]
        node = "22.1.0"
        "npm:prettier" = ["3", "2"]
        python = { version = "3.12", virtualenv = "geheim" }
        broken = "$(geheim)"
        [settings]
        github_token = "geheim"
        """
    )
    (home / ".tool-versions").write_text("ruby 3.3.0 system # geheim\n\n$(geheim) 1\n")
    equipped(home)
    given = home.parent / "task"
    told = tomllib.loads((given / ".config/mise/config.toml").read_text())
    assert told == {"tools": {"node": ["22.1.0"], "npm:prettier": ["3", "2"], "python": ["3.12"]}}
    assert (given / ".tool-versions").read_text() == "ruby 3.3.0 system\n"


@pytest.mark.parametrize("junk", [b"[tools", b"\xff\xfe", b"tools = 5", b"x" * 70000, b""])
def test_a_file_of_chosen_versions_that_is_none_is_left_out(home: Path, program: Program, junk: bytes) -> None:
    program(".local/share/mise/installs/node/22.1.0/bin/node")
    (home / ".config/mise").mkdir(parents=True)
    (home / ".config/mise/config.toml").write_bytes(junk)
    assert "mise" in str(equipped(home).variables)
    laid = home.parent / "task/.config/mise/config.toml"
    assert not laid.exists() or tomllib.loads(laid.read_text()) == {"tools": {}}


def test_nothing_is_laid_into_the_home_in_which_an_agent_has_been(home: Path, program: Program) -> None:
    program(".asdf/installs/ruby/3.3.0/bin/ruby")
    (home / ".tool-versions").write_text("ruby 3.3.0\n")
    equipped(home)
    given, elsewhere = home.parent / "task/.tool-versions", home.parent / "elsewhere"
    given.unlink()
    given.symlink_to(elsewhere)
    equipped(home)
    assert not elsewhere.exists()
