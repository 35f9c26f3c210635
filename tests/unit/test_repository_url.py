"""Which addresses of repositories are accepted, and how they are shown (rule 6.1)."""

from __future__ import annotations

import pytest

from domain.errors import Refused
from domain.repository_url import RepositoryKind, masked, parse_repository_url

pytestmark = pytest.mark.rule("6.1")


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/owner/repo.git",
        "https://example.com/-/snippets/1.git",
        "https://token@example.com/owner/repo",
        "http://127.0.0.1:8080/repo.git",
        "http://forge.localhost/repo.git",
        "ssh://git@example.com:22/owner/repo.git",
        "git://example.com/repo",
        "git@example.com:owner/repo.git",
        "example.com:repo",
        "git@[::1]:repo.git",
        "https://[::1]:8080/repo",
    ],
)
def test_https_ssh_git_and_scp_like_addresses_are_remote(text: str) -> None:
    assert parse_repository_url(text, allow_local=False).kind is RepositoryKind.REMOTE


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("https://me:secret@GitHub.com/team/shop.git", "github.com", "team/shop"),
        ("https://github.com:443/team/shop/", "github.com", "team/shop"),
        ("http://127.0.0.1:8080/team/shop.git", "127.0.0.1:8080", "team/shop"),
        ("ssh://git@github.com:22/team/shop.git/", "github.com", "team/shop"),
        ("git@github.com:team/shop.git", "github.com", "team/shop"),
        ("git@[::1]:/team/shop", "[::1]", "team/shop"),
    ],
)
@pytest.mark.rule("7.4")
def test_a_remote_repository_says_at_which_host_it_is_and_how_it_is_called_there(
    text: str, host: str, path: str
) -> None:
    parsed = parse_repository_url(text, allow_local=False)
    assert (parsed.host, parsed.path) == (host, path)


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1:80", "localhost.example.com", "127.0.0.1.example.com"])
def test_http_is_refused_beyond_this_machine(host: str) -> None:
    with pytest.raises(Refused, match="use https"):
        parse_repository_url(f"http://{host}/repo.git", allow_local=True)


@pytest.mark.parametrize(("text", "path"), [("/srv/a repo", "/srv/a repo"), ("file:///srv/repo", "/srv/repo")])
def test_a_path_is_local_and_only_accepted_where_the_setting_allows(text: str, path: str) -> None:
    assert parse_repository_url(text, allow_local=True).local_path == path
    with pytest.raises(Refused, match="path of one machine"):
        parse_repository_url(text, allow_local=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " https://example.com/x",
        "https://example.com/a\nb",
        "https://example.com/" + "x" * 2048,
        "ftp://example.com/x",
        "file://host/share",
        "ssh://-oProxyCommand=touch/x",
        "ssh://-oProxyCommand=x@example.com/x",
        "git@example.com:--upload-pack=x",
        "https://example.com",
        "https:///x",
        "repo",
        "./repo",
        "../repo:x",
    ],
)
def test_everything_else_is_refused_wherever_it_comes_from(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_repository_url(text, allow_local=True)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("C:\\src\\shop", "path of Windows"),
        ("c:/src/shop", "path of Windows"),
        ("\\\\server\\share\\shop", "path of Windows"),
        ("gh:team/shop", "shorthand that git doesn't know: use https://HOST/team/shop.git"),
        ("~ann/shop", "another user's home folder"),
        (
            "https://example.com/team/shop/issues/12",
            "of an issue, not of a repository: use https://example.com/team/shop.",
        ),
        ("https://example.com/team/shop/issues/12#note", "use https://example.com/team/shop."),
        ("https://example.com/team/sub/shop/-/merge_requests/3/diffs", "use https://example.com/team/sub/shop."),
        ("https://me:secret@example.com/team/shop/pull/3", "use https://***@example.com/team/shop."),
        ("https://example.com/team/shop/tree/main", "of a folder"),
        (
            "https://example.com/team/shop/wiki/Home",
            "of a wiki's page, not of a repository: use https://example.com/team/shop.",
        ),
        (
            "https://example.com/team/sub/shop/-/pipelines/3",
            "a page, not of a repository: use https://example.com/team/sub/shop.",
        ),
        ("https://example.com/team/shop?tab=readme", "use https://example.com/team/shop."),
        ("https://example.com/team/shop#readme", "use https://example.com/team/shop."),
        ("https://example.com/team/_git/shop/pullrequest/3", "of a pull request"),
        ("https://github.com/team/shop/wiki", "a page, not of a repository: use https://github.com/team/shop."),
        ("https://github.com/team/shop/pulls", "a page, not of a repository: use https://github.com/team/shop."),
        ("https://me:secret@github.com/team/shop/settings", "use https://***@github.com/team/shop."),
        ("https://bitbucket.org/team/shop/src/main/", "use https://bitbucket.org/team/shop."),
        ("https://github.com/team", "names no repository"),
        ("https://gist.github.com/ann/0123456789abcdef", "is a gist"),
        ("git@gist.github.com:0123456789abcdef.git", "is a gist"),
        ("https://api.github.com/repos/team/shop", "of an API"),
        ("https://raw.githubusercontent.com/team/shop/main/README", "of an API or of a file"),
        ("github.com/team/shop", "lacks https://: use https://github.com/team/shop."),
        ("git@github.com/team/shop.git", "lacks a colon: use git@github.com:team/shop.git."),
        (
            "ssh://git@example.com:team/shop.git",
            "use ssh://git@example.com/team/shop.git or git@example.com:team/shop.git.",
        ),
        ("https:/example.com/team/shop", "lacks slashes: use https://example.com/team/shop."),
        ("file:/srv/shop", "lacks slashes: use file:///srv/shop."),
        ("file://srv/shop", "the whole path of this machine: file:///srv/shop"),
        ("file://./shop", "the whole path of this machine"),
        ("file://localhost/srv/shop", "the whole path of this machine"),
        ("file://~/shop", "the whole path of this machine"),
    ],
)
def test_what_is_often_taken_for_an_address_is_called_by_its_name(text: str, said: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_repository_url(text, allow_local=True)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    ["https://example.com/team/issues", "https://example.com/team/sub/wiki", "https://example.com/a/b/tree/c.git",
     "work:team/shop", "https://example.com/team/pull/shop", "https://github.com/team/shop.wiki.git", "git:team/shop",
     "https://example.com/team/sub/wiki/shop.git", "https://example.com/team/_git/shop", "https://github.com/team/shop/"],
)  # fmt: skip
def test_a_repository_with_such_a_word_in_its_name_is_taken(text: str) -> None:
    assert parse_repository_url(text, allow_local=False).kind is RepositoryKind.REMOTE


@pytest.mark.parametrize(
    "text",
    [
        "-uhttps://example.com/x",
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=x:repo",
        "ext::sh -c 'touch /tmp/x'",
        "https::https://example.com/x",
        "fd::17",
    ],
)
def test_options_in_disguise_and_remote_helpers_are_named_as_such(text: str) -> None:
    with pytest.raises(Refused, match="options and remote helpers are not accepted"):
        parse_repository_url(text, allow_local=True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://token@example.com/x", "https://***@example.com/x"),
        ("fatal: 'https://me:p@ss@example.com/x' not found", "fatal: 'https://***@example.com/x' not found"),
        ("ssh://git:secret@example.com/x", "ssh://git:***@example.com/x"),
        ("ssh://git@example.com:22/x", "ssh://git@example.com:22/x"),
        ("git@example.com:owner/repo.git", "git@example.com:owner/repo.git"),
        ("https://example.com/a@b", "https://example.com/a@b"),
    ],
)
@pytest.mark.rule("6.11")
def test_secrets_in_an_address_are_never_shown(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_refusal_does_not_show_a_secret() -> None:
    with pytest.raises(Refused) as refusal:
        parse_repository_url("ftp://me:secret@example.com/x", allow_local=True)
    assert "secret" not in str(refusal.value)
