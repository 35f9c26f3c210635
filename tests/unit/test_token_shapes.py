"""What begins like a secret is one wherever a program writes it, in commits (rule 6.7) and in logs (rule 6.11)."""

from __future__ import annotations

import re

import pytest

from daemon.logs.masking import MASK, Masker
from daemon.secrets.secret_scan import SecretShapes, secrets_in
from daemon.secrets.secret_shapes import CONTENTS, NAMES

SHAPES = SecretShapes(re.compile("|".join(NAMES), re.IGNORECASE), re.compile("|".join(CONTENTS).encode()))
HEX = "a1" * 32
# Put together, so that nobody's scanner takes this file for a leak.
TOKENS = {
    "a classic token of GitHub's": "gh" + "p_" + "a1B2" * 9,
    "a fine-grained one": "github" + "_pat_" + "11ABCDEFG0" * 5,
    "GitLab's": "gl" + "pat-" + "x1" * 10,
    "a runner's of GitLab's": "gl" + "rt-" + "x1" * 10,
    "a deploy token of GitLab's": "gl" + "dt-" + "x1" * 10,
    "a key of AWS": "AK" + "IA" + "A1B2C3D4" * 2,
    "Slack's": "xox" + "b-" + "123456789012-" * 2 + "a1B2" * 6,
    "an app's of Slack's": "xa" + "pp-1-" + "A0123456789-0123456789-" + HEX,
    "a webhook of Slack's": "https://hooks." + "slack.com/services/" + "T01234567/B01234567/" + "a1B2" * 6,
    "Anthropic's": "sk-" + "ant-" + "xY9-" * 20,
    "OpenAI's": "sk-" + "proj-" + "Ab1_" * 20,
    "Stripe's": "sk" + "_live_" + "a1B2" * 6,
    "Google's": "AI" + "za" + "B" * 34 + "-",
    "Google's, for a client": "GOC" + "SPX-" + "a1B2" * 7,
    "npm's": "npm" + "_" + "a1B2" * 9,
    "PyPI's": "pyp" + "i-" + "AgEIcHlwaS5vcmc" + "a1B2" * 20,
    "Hugging Face's": "h" + "f_" + "aB" * 17,
    "SendGrid's": "S" + "G." + "a1" * 11 + "." + "a1B" * 14 + "c",
    "DigitalOcean's": "dop" + "_v1_" + HEX,
    "Docker's": "dckr" + "_pat_" + "a1B" * 9,
    "Shopify's": "shp" + "at_" + "a1" * 16,
    "Vault's": "hv" + "s." + "a1B2" * 20,
    "Linear's": "lin" + "_api_" + "a1B2" * 10,
    "age's": "AGE-" + "SECRET-KEY-1" + "QPZRY9X8GF" * 5 + "QPZRY9X8",
}
AROUND = (
    "{}",
    "key: {}",
    '"{}"',
    "{}_x",
    "a\\n{}",
    '{{"text": "a\\t{}"}}',
    "?token%3D{}",
    r"\x3d{}",
    r"\u003d{}",
    "\n{}\n",
)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_is_found_wherever_a_program_writes_it(kind: str, around: str) -> None:
    token = TOKENS[kind]
    if around == "{}_x" and kind in ("Hugging Face's", "Google's"):
        return  # theirs may go on so, and would be something else
    text = around.format(token)
    assert secrets_in(text.encode(), SHAPES), text
    assert token not in Masker().mask(text)
    assert MASK in Masker().mask(text)


@pytest.mark.parametrize("kind", TOKENS)
def test_what_goes_on_from_a_word_is_no_token(kind: str) -> None:
    assert not secrets_in(f"name_{TOKENS[kind]}".encode(), SHAPES) or "//" in TOKENS[kind]


BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 2
BEGIN = f"-----BEGIN {'PRIVATE'} KEY-----"


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\\n", "%0A", "&#10;", r"\u000a", "<br>", '",\n    "', '" +\n "', "", " "]
)
def test_a_private_key_is_one_however_its_lines_end(end: str) -> None:
    assert secrets_in(f"{BEGIN}{end}{BODY}".encode(), SHAPES)


@pytest.mark.parametrize("text", [f"starts with `{BEGIN}`", f'BEGIN = "{BEGIN}"', f"/{BEGIN}/.test(text)", f"{BEGIN}…"])
def test_what_only_speaks_of_keys_is_none(text: str) -> None:
    assert not secrets_in(text.encode(), SHAPES)
