"""Secrets as agents commit them, openly or wrapped, and the look for them in what git has.

No secret stands in this file: each is put together, so that nobody's scanner takes it for one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

GitCommand = Callable[..., str]
TOKEN = "gh" + "p_" + "a1B2" * 9
OTHER = "AK" + "IA" + "A1B2C3D4" * 2
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 2
KEY = f"-----BEGIN {'PRIVATE'} KEY-----\n{BODY}\n-----END {'PRIVATE'} KEY-----\n"
COMMIT = "git add -Af; git commit -qm more || true;"
SIDE = "git tag start; git checkout -qb side; echo s > t; git add t;"
BACK = "git checkout -q --detach start; echo m > m; git add m; git commit -qm m;"
WRAPPED = base64.b64encode(KEY.encode()).decode()
FOLDED = base64.encodebytes(f"user: {'a' * 40}\ntoken: {TOKEN}\n".encode()).decode()
"""In lines of 76, the token beginning in one and ending in the next."""
HIDDEN = {
    "a file": f"echo {TOKEN} > config; {COMMIT}",
    "one commit, taken out in the next": f"echo {TOKEN} > config; {COMMIT} git rm -q config; echo x > x; {COMMIT}",
    "a renamed file": f"echo {TOKEN} > config; {COMMIT} git mv config other; echo more >> other; {COMMIT}",
    "a merge's own change": f"{SIDE} git commit -qm s; {BACK} git merge -q --no-commit side;echo {TOKEN} > b; {COMMIT}",
    "a side that was merged in": f"{SIDE} echo {TOKEN} > s; {COMMIT} git rm -q s; git commit -qm gone; {BACK}"
    "git merge -q --no-edit side;",
    "a commit's message": f"echo x > x; git add x; git commit -qm 'with {TOKEN}';",
    "an author's name": f"echo x > x; git add x; git commit -qm x --author='{TOKEN} <a@b>';",
    "the name of a file": f"echo x > {TOKEN}; {COMMIT}",
    "UTF-16": f"printf 'key = {TOKEN}' | iconv -t UTF-16 > config; {COMMIT}",
    "base64": f"echo 'tls.key: {WRAPPED}' > secret.yaml; {COMMIT}",
    "a binary file": f"printf 'x\\000\\001{TOKEN}\\000' > app.bin; {COMMIT}",
    "a key in JSON": f"printf %s '{json.dumps({'private_key': KEY})}' > account.json; {COMMIT}",
    "the middle of a large file": f"(head -c 5000000 /dev/zero; echo {TOKEN}; head -c 5000000 /dev/zero) > b; {COMMIT}",
    "a name of keys": f"echo x > .env; {COMMIT}",
    "an attribute that calls it binary": f"echo '* binary -diff' > .gitattributes; echo {TOKEN} > config; {COMMIT}",
    "a link": f"ln -s {TOKEN} link; {COMMIT}",
    "UTF-32": f"printf 'key = {TOKEN}' | iconv -t UTF-32LE > config; {COMMIT}",
    "base64 over two lines": f"printf %s '{FOLDED}' > secret.yaml; {COMMIT}",
    "a file whose name is no UTF-8": f"echo {TOKEN} > \"$(printf 'a\\377b')\"; {COMMIT}",
    "the name of a submodule": f"git update-index --add --cacheinfo 160000,{'a' * 40},{TOKEN}; git commit -qm m;",
    "an address of a submodule": f"git config -f .gitmodules submodule.a.url https://x:{TOKEN}@git.invalid/a; {COMMIT}",
}
SECRETS = (TOKEN, BODY, WRAPPED, FOLDED.splitlines()[1], "\0".join(TOKEN))
"""All of them, in each form."""


def holds(git: GitCommand, folder: Path, options: tuple[str, ...], asked: str, *secrets: str) -> bool:
    """Whether one of them is in an object that git tells for these options; trees have hashes for contents."""
    objects = git(folder, "cat-file", "--batch-check", *options, stdin=asked).splitlines()
    names = "".join(f"{line.split()[0]}\n" for line in objects if line.split()[1] != "tree")
    found = git(folder, "cat-file", "--batch", stdin=names)
    return any(secret in found for secret in secrets)
