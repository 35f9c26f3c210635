"""Several commands of git where an agent has been, as one: each is a keeper, and a sandbox where there is one."""

_GIT = 'of() { git --git-dir=.git --work-tree=. "$@"; }'

CHECKED_HEAD = f"""
{_GIT}
of rev-parse --verify 'HEAD^{{commit}}' || exit 128
of diff-index --cached --quiet --no-ext-diff HEAD
"""
"""Prints the commit; ends with 1 where the index is not as that is."""

HIDES = 3
"""The exit code of COMMIT where it has not begun."""

COMMIT = f"""
{_GIT}
if test -n "$3"; then
  {{ of ls-files -z -v --cached --others --exclude-standard </dev/null || echo '? /'; }} |
    tr '\\0' '\\n' | LC_ALL=C grep -a -q -e '^[a-zS] ' -e '/$'
  test $? = 1 || exit {HIDES}
fi
test -z "$1" || of add "$1" </dev/null || exit
of diff --cached --quiet --no-ext-diff </dev/null
case $? in
  0) test -n "$2" || exit 0 ;;
  1) ;;
  *) exit 128 ;;
esac
of commit --quiet --no-verify --cleanup=whitespace --file=- || exit
echo 'HEAD^{{commit}}' | of cat-file --batch
"""
"""With what `git add` is to add (empty: it was added), whether a merge is in progress, and whether to look first for
files that git has hidden and for repositories inside, which HIDES then says (a name of several lines may count as one).
stdin is the message. Prints the new commit as `git cat-file --batch` does, or nothing where there is nothing to commit.
"""
