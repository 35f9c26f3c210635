"""Secrets are made unreadable, wherever a text is cut in two (rule 6.11)."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.logs.masking import LONGEST_HELD, MASK, MaskedStream, Masker, secrets_of

pytestmark = pytest.mark.rule("6.11")

OWN = 'hunter2-"of\\this machine'
GITHUB = "ghp_" + "a1B2" * 9
KEY = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *["MIIEpAIBAAKCAQEA7bq+/=="] * 4, "-----END RSA PRIVATE KEY-----"])
ADDRESS = "https://me:secretpass@host/"
SHAPES = [
    GITHUB,
    "github_pat_" + "11ABCDEFG0" * 5,
    "glpat-" + "x" * 20,
    "sk-proj-" + "Ab1_" * 20,
    "sk-ant-api03-" + "xY9-" * 20,
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA-1234567890abcdefghijklmnopqrstu",
    "npm_" + "a1B2" * 9,
    "sk_live_" + "a1B2" * 6,
    "xoxb-123456789012-abcdefABCDEF",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
]
MASKER = Masker([OWN])


def streamed(pieces: list[str], masker: Masker = MASKER) -> str:
    stream = MaskedStream(masker)
    return "".join(map(stream.take, pieces)) + stream.rest()


def cut_at(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("secret", [*SHAPES, OWN])
@pytest.mark.parametrize("around", ["{}", "token={} and more", '{{"key":"{}"}}', "line\\n{}\\nline", "a\n{}\nb"])
def test_a_secret_is_masked_wherever_it_stands(secret: str, around: str) -> None:
    masked = MASKER.mask(around.format(secret))
    assert masked == around.format(MASK)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("clone https://me:pa@ss@host/x", f"clone https://{MASK}@host/x"),
        ("https://token@host/x.git", f"https://{MASK}@host/x.git"),
        ("postgres://me:pass@host:5432/db", f"postgres://{MASK}@host:5432/db"),
        ("ssh://git@host/x git@host:x", "ssh://git@host/x git@host:x"),
        ('{"url":"https://host/a","mail":"a@b.c"}', '{"url":"https://host/a","mail":"a@b.c"}'),
        ("http://host/a?x=1&access_token=abc&y=2", f"http://host/a?x=1&{MASK}&y=2"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {MASK}"),
        ('"authorization": "Bearer abcdefghijklmnop"', f'"authorization": "Bearer {MASK}"'),
    ],
)
def test_tokens_in_addresses_and_headers_are_masked(text: str, masked: str) -> None:
    assert MASKER.mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "task-runner-with-a-very-long-name-1 sk-learn-is-a-library ghost AKIA xoxo eyJ",
        "https://host/path?page=2#token",
        "the -----BEGIN PUBLIC KEY----- is public\nMIIEpAIBAAKCAQEA\n",
        "tokens: 12345, a bearer of news\n\n\ttabs and\r\nline ends\n",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert MASKER.mask(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"before\n{KEY}\nafter\n", f"before\n{MASK}\n\nafter\n"),
        (f"before\n  key: {KEY} # old\nafter\n", f"before\n  key: {MASK}\n # old\nafter\n"),
        (json.dumps({"key": KEY, "n": 1}), json.dumps({"key": MASK, "n": 1})),
        ("looks for -----BEGIN PRIVATE KEY-----\nand goes on\n", f"looks for {MASK}\nand goes on\n"),
        (KEY[:90], f"{MASK}\n"),
    ],
)
def test_a_private_key_is_masked_over_all_its_lines(text: str, masked: str) -> None:
    assert MASKER.mask(text) == masked


def test_a_setting_of_several_lines_is_known_by_each_and_in_other_writings() -> None:
    masker = Masker(["first line of it\nsecond & last line\nshort"])
    text = f"{quote('second & last line')} {json.dumps('first line of it')} short"
    assert masker.mask(text) == f'{MASK} "{MASK}" short'


FRAGMENTS = st.one_of(
    st.sampled_from([*SHAPES, OWN, KEY, "\n", " ", '"', ADDRESS]),
    st.text(st.characters(codec="utf-8"), max_size=20),
)


@settings(deadline=None)
@given(st.lists(FRAGMENTS, max_size=12).map("".join), st.lists(st.integers(0, 10_000), max_size=8))
@example(f"a {OWN} b\n", [5, 9])
@example(f"{KEY}\n", [3, 40, 70])
def test_where_a_text_is_cut_changes_nothing(text: str, places: list[int]) -> None:
    assert streamed(cut_at(text, places)) == MASKER.mask(text)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 40_000), st.sampled_from([GITHUB, OWN, ADDRESS])), max_size=6),
    st.integers(100, 20_000),
)
def test_no_secret_is_seen_in_a_line_without_end(parts: list[tuple[int, str]], piece: int) -> None:
    text = "".join("." * gap + secret + " " for gap, secret in parts)
    masked = streamed([text[at : at + piece] for at in range(0, len(text), piece)])
    assert not any(secret in masked for secret in (GITHUB, OWN, "secretpass"))
    assert masked.count(".") == sum(gap for gap, _ in parts)


def test_a_secret_without_end_takes_the_rest_of_its_line_with_it() -> None:
    token = "eyJ" + "a" * 8 + "." + "b" * 8 + "." + "c" * (3 * LONGEST_HELD)
    assert streamed([*cut_at(token, list(range(0, len(token), 1000))), "more\nnext line\n"]) == f"{MASK}\nnext line\n"


def test_little_is_held_back_of_a_line_without_end() -> None:
    stream = MaskedStream(MASKER)
    said = sum(len(stream.take("x" * 16_384)) for _ in range(64))
    assert said >= 64 * 16_384 - LONGEST_HELD


@pytest.mark.parametrize(
    "unit", ["eyJ", "\\neyJ", "ghp_", "sk-a", "://", "://a:", "?token=", "-----BEGIN ", "xoxb-", "1 "]
)
def test_no_text_takes_long(unit: str) -> None:
    text = (unit * 40_000)[:120_000]
    began = time.process_time()
    streamed([text[at : at + 16_384] for at in range(0, len(text), 16_384)])
    assert time.process_time() - began < 1


def test_the_secrets_of_a_machine_are_known_by_their_names() -> None:
    environ = {
        "GH_TOKEN": "a-token-of-mine",
        "TEMPORAL_API_KEY": "the-temporal-key",
        "MAKIMA_DATABASE_URL": "postgresql://makima:pass-of-db@host/db",
        "MODEL_ACCESS": "handed-to-agents",
        "JAVA_HOME": "/usr/lib/jvm/java",
        "SSH_AUTH_SOCK": "/run/user/agent.sock",
        "GOOGLE_APPLICATION_CREDENTIALS": "/etc/google/credentials.json",
        "SHORT_SECRET": "abc",
        "HOME": "/home/me-and-only-me",
    }
    given = {"OPENAI_API_KEY": "key-in-the-file", "LEVEL": "very-high-level"}
    assert secrets_of(environ, ["MODEL_ACCESS", "JAVA_HOME", "NOT_SET"], given) == {
        "a-token-of-mine",
        "the-temporal-key",
        "pass-of-db",
        "handed-to-agents",
        "key-in-the-file",
    }
