"""Several commands of git where an agent has been, as one: each is a keeper, and a sandbox where there is one."""

_GIT = 'of() { git --git-dir=.git --work-tree=. "$@"; }'

CHECKED_HEAD = f"""
{_GIT}
of rev-parse --verify 'HEAD^{{commit}}' || exit 128
of diff-index --cached --quiet --no-ext-diff HEAD
"""
"""Prints the commit; ends with 1 where the index is not as that is."""

COMMIT = f"""
{_GIT}
test -z "$1" || of add "$1" </dev/null || exit
of diff --cached --quiet --no-ext-diff </dev/null
case $? in
  0) test -n "$2" || exit 0 ;;
  1) ;;
  *) exit 128 ;;
esac
of commit --quiet --no-verify --cleanup=whitespace --file=- || exit
of rev-parse --verify 'HEAD^{{commit}}' && of cat-file commit HEAD
"""
"""With what `git add` is to add (empty: it was added) and whether a merge is in progress; stdin is the message. Prints
the new commit, its name on the first line, or nothing where there is nothing to commit.
"""
