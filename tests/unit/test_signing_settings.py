"""What a daemon's settings may say of signatures, and what a key that can't be used is told (rule 6.16)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.doctor.checks import signing_check
from daemon.git.signing import Signer
from daemon.git.signing_settings import SignatureFormat, SigningSettings
from daemon.home import open_home, signer_of
from daemon.settings import DaemonSettings, parsed
from domain.errors import SettingsError
from domain.health_report import Verdict
from tests.signing import Key, make_key

FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"


def settings(text: str, further: str = "") -> DaemonSettings:
    return parsed(f'name = "here"\n{further}\n[signing]\n{text}\n'.encode(), Path("daemon.toml"))


@pytest.mark.rule("6.16")
@pytest.mark.parametrize(
    ("text", "further", "told"),
    [
        ('format = "x509"\nkey = "/k"', "", "signing.format"),
        ('format = "ssh"', "", "signing.key"),
        ('format = "ssh"\nkey = "key"', "", "must begin with / or ~"),
        ('format = "ssh"\nkey = "/k/id.pub"', "", "is a public key"),
        ('format = "openpgp"\nkey = "--me"', "", "fingerprint"),
        ('format = "openpgp"\nkey = "me@example.com"', "", "fingerprint"),
        ('format = "ssh"\nkey = "/k/id"', 'sandbox = "none"', "signing needs a sandbox"),
        (f'format = "openpgp"\nkey = "{FINGERPRINT}"', 'sandbox = "none"', "signing needs a sandbox"),
        ('format = "ssh"\nkey = "/k/in/id"', 'sandbox_read = ["/k"]', "which agents are shown"),
        ('format = "ssh"\nkey = "/k/id"', 'sandbox_write = ["/k/id"]', "which agents are shown"),
        ('format = "ssh"\nkey = "/k"\nprogram = "gpg"', "", "signing.program"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(text: str, further: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(text, further)
    assert told in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.rule("6.16")
def test_a_keyring_that_agents_are_shown_is_refused(tmp_path: Path) -> None:
    own = settings(f'format = "openpgp"\nkey = "{FINGERPRINT}"', f'sandbox_read = ["{tmp_path}"]')
    with pytest.raises(SettingsError, match="with the keyring of signing"):
        signer_of(own, {"HOME": str(tmp_path)})
    with pytest.raises(SettingsError, match="with the keyring of signing"):
        signer_of(own, {"HOME": "/", "GNUPGHOME": str(tmp_path / "in" / "it")})
    assert signer_of(own, {"HOME": "/elsewhere"})


@pytest.mark.rule("6.16")
async def test_a_key_that_cannot_be_used_is_told_in_one_line_with_what_to_do(tmp_path: Path) -> None:
    key = make_key(tmp_path / "k", "ed25519")
    await key.signer.check()
    key.secret.chmod(0o640)
    assert "chmod 600" in await _trouble(key.signer)
    key.secret.chmod(0o600)
    key.secret.write_text("no key\n")
    assert "ssh-keygen -Y sign" in await _trouble(key.signer)
    key.secret.unlink()
    assert "put it back" in await _trouble(key.signer)
    nothing = SigningSettings(format=SignatureFormat.SSH, key=str(key.secret), program=tmp_path / "nothing")
    key.secret.write_text("")
    key.secret.chmod(0o600)
    assert "install it" in await _trouble(_signer(key, nothing))
    unknown = SigningSettings(format=SignatureFormat.OPENPGP, key=FINGERPRINT)
    assert "gpg" in await _trouble(_signer(key, unknown))


@pytest.mark.rule("6.16")
async def test_no_daemon_starts_without_its_key_and_doctor_names_it(tmp_path: Path) -> None:
    own = settings(f'format = "ssh"\nkey = "{tmp_path}/gone"')
    with pytest.raises(SettingsError, match="gone can't be read"):
        await open_home(tmp_path / "data", own, is_daemon=True)
    (check,) = await signing_check(lambda: signer_of(own, {"PATH": os.environ["PATH"]}))
    assert check.verdict is Verdict.FAILED and "gone" in check.found
    key = make_key(tmp_path / "k", "ed25519")
    (check,) = await signing_check(lambda: key.signer)
    assert check.verdict is Verdict.OK
    assert await signing_check(lambda: None) == []


@pytest.mark.rule("6.16")
async def test_a_signature_is_known_as_ones_own_only_with_its_text(tmp_path: Path) -> None:
    mine, other = make_key(tmp_path / "mine", "ed25519"), make_key(tmp_path / "other", "ed25519")
    made = await mine.signer.signature(b"text")
    assert await mine.signer.is_own(b"text", made)
    assert not await mine.signer.is_own(b"another text", made)
    assert not await mine.signer.is_own(b"text", await other.signer.signature(b"text"))
    assert not await mine.signer.is_own(b"text", b"junk")


async def _trouble(signer: Signer) -> str:
    with pytest.raises(SettingsError) as refused:
        await signer.check()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def _signer(key: Key, settings: SigningSettings) -> Signer:
    return Signer(settings, key.environ, "Makima", "makima@localhost")


@pytest.mark.rule("6.16")
@pytest.mark.rule("9.4")
def test_a_key_that_can_not_be_used_is_told_by_the_command_that_restart_asks_before_it_stops_a_daemon(
    tmp_path: Path,
) -> None:
    key = make_key(tmp_path / "keys", "ed25519")
    file = tmp_path / "daemon.toml"
    file.write_text(f'name = "here"\n[signing]\nformat = "ssh"\nkey = "{key.secret}"\n')
    own = {"MAKIMA_DAEMON_CONFIG": str(file), "MAKIMA_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)}

    def asked() -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "daemon", "settings")
        env = {**os.environ, **own}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)

    assert asked().returncode == 0
    key.secret.chmod(0o644)
    told = asked()
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (2, "", 1), told
    assert "others can read the key" in told.stderr
