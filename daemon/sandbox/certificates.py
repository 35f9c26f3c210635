"""The certificates of a company's network, without which no tool reaches anything there: by which variables they are
named, and which of those files are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from daemon.sandbox.sandbox_view import is_systems

CERTIFICATES = frozenset(
    (
        *("AWS_CA_BUNDLE", "BUNDLE_SSL_CA_CERT", "CARGO_HTTP_CAINFO", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"),
        *("COMPOSER_CAFILE", "CURL_CA_BUNDLE", "DENO_CERT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
        *("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "HEX_CACERTS_PATH", "HTTPLIB2_CA_CERTS", "NIX_SSL_CERT_FILE"),
        *("NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE", "PERL_LWP_SSL_CA_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"),
        *("SSL_CERT_DIR", "SSL_CERT_FILE"),
    )
)
"""In capitals; npm takes its own in small letters."""
LARGEST = 8 * 1024 * 1024
"""Bytes of a file."""
MOST = 2000
"""Files of a folder."""


@dataclass(frozen=True)
class Certificates:
    """What the machine's environment names."""

    shown: tuple[Path, ...]
    refused: tuple[str, ...]
    """What is not shown, with the reason."""


def find_certificates(environ: Mapping[str, str]) -> Certificates:
    """A file is shown where it holds certificates and no private key, of a folder the files that do: a variable may
    name any path. Reads the files.
    """
    shown: list[Path] = []
    refused: list[str] = []
    for variable, value in sorted(environ.items()):
        if variable.upper() not in CERTIFICATES:
            continue
        for path in (Path(part) for part in value.split(":") if part.startswith("/")):
            found = list(_of_folder(path)) if path.is_dir() else [path] if _is_public(path) else []
            # In a folder of the system's a link is there already: what it leads to may not be.
            at = (each.resolve() if is_systems(each) else each for each in found)
            shown += [each for each in at if not is_systems(each)]
            if not found:
                refused.append(f"{variable} names {path}, which holds no certificate, or a private key")
    return Certificates(tuple(shown), tuple(refused))


def _of_folder(folder: Path) -> Iterator[Path]:
    try:
        for each in islice(folder.iterdir(), MOST):
            if _is_public(each):
                yield each
    except OSError:
        return


def _is_public(file: Path) -> bool:
    try:
        if not file.is_file() or file.stat().st_size > LARGEST:
            return False
        content = file.read_bytes()
    except OSError:
        return False
    return b"CERTIFICATE-----" in content and b"PRIVATE KEY" not in content
