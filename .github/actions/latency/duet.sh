#!/usr/bin/env bash
# Is HEAD slower than BASE? Builds pushpull from both and has the head's measure the two servers
# in turns (pushpull duet).
#
# The result and its reports go to one directory, $OUT; their names are at the end of this file.
# The exit code is that of pushpull duet: 3 for a regression.
set -euo pipefail

usage() {
	cat <<'EOF'
usage: duet.sh BASE [HEAD] [-- FLAG...]

BASE and HEAD are directories that hold a checkout of pushpull, or what git calls a commit, like
main or v1.2.0. HEAD is the checkout that this script lies in, as it is, unless another one is
named. What follows -- goes to pushpull duet, see pushpull duet --help.

OUT=DIR puts the result there; it is results/latency-DATE-TIME otherwise.
EOF
}

wrong() {
	printf 'duet.sh: %s\n\n' "$1"
	usage
	exit 2
} >&2

case ${1-} in
-h | --help)
	usage
	exit
	;;
'' | -*) wrong 'it takes a BASE' ;;
esac
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
base=$1 head=$repository
shift
if [ $# -gt 0 ] && [ "$1" != -- ]; then
	head=$1
	shift
fi
if [ $# -gt 0 ]; then
	[ "$1" = -- ] || wrong "put -- before $1, if it is for pushpull duet"
	shift
fi
out=${OUT:-results/latency-$(date -u +%Y%m%d-%H%M%S)}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# checkout TREE NAME says in $tree where a tree is that a person has named: it is a directory, or a
# commit that is laid out in $tmp/NAME.tree. The repository is only read.
checkout() {
	tree=$1
	if [ -f "$tree/go.mod" ]; then return; fi
	local commit='' nothing="$1 is no directory with a checkout, and no commit of $repository"
	case $1 in -*) wrong "$nothing" ;; esac
	commit=$(git -C "$repository" rev-parse --verify --quiet "$1^{commit}") || wrong "$nothing"
	tree=$tmp/$2.tree
	mkdir "$tree"
	git -C "$repository" archive --format=tar "$commit" | tar -x -C "$tree"
}

checkout "$base" base
base_tree=$tree
checkout "$head" head
head_tree=$tree
go build -C "$base_tree" -o "$tmp/base" ./cmd/pushpull
go build -C "$head_tree" -o "$tmp/head" ./cmd/pushpull

# In a process group of its own, so that whoever presses Ctrl-C interrupts it once, and not twice.
set -m
"$tmp/head" duet --base "$tmp/base" --head "$tmp/head" --out "$out" \
	--junit "$out/junit.xml" \
	--markdown "$out/summary.md" \
	--benchfmt "$out/bench.txt" \
	--benchmark-action "$out/bench.json" \
	"$@" </dev/null &
duet=$!
set +m

# A signal is for pushpull, which keeps what it has measured; the script waits for that.
signalled=yes
trap 'signalled=yes; kill -INT "$duet" 2>/dev/null || true' INT TERM HUP
while [ "$signalled" ]; do
	signalled='' code=0
	wait "$duet" || code=$?
done
exit "$code"
