#!/usr/bin/env bash
# Is HEAD slower than BASE? Builds pushpull from both, and then the head's pushpull measures the two
# servers in turns (pushpull duet).
#
# The result and the reports are written to the directory $OUT; the end of this file has their names.
# The exit code is that of pushpull duet: 3 for a regression, 4 for what could not be judged.
set -euo pipefail

usage() {
	cat <<'EOF'
usage: duet.sh BASE [HEAD] [-- FLAG...]

BASE and HEAD are directories with a checkout of pushpull, or commits of this repository, like main
or v1.2.0. Without HEAD it is the working tree that contains this script. Flags after -- are passed
to pushpull duet; see pushpull duet --help.

Set OUT=DIR for the directory of the result; the default is results/latency-DATE-TIME.
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
'' | -*) wrong 'BASE is missing' ;;
esac
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
base=$1 head=$repository
shift
if [ $# -gt 0 ] && [ "$1" != -- ]; then
	head=$1
	shift
fi
if [ $# -gt 0 ]; then
	[ "$1" = -- ] || wrong "unexpected $1: put -- before flags for pushpull duet"
	shift
fi
out=${OUT:-results/latency-$(date -u +%Y%m%d-%H%M%S)}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# checkout TREE NAME sets $tree to the directory of a tree: TREE itself if it is a directory, or
# $tmp/NAME.tree with the files of the commit TREE. It does not change the repository.
checkout() {
	tree=$1
	if [ -f "$tree/go.mod" ]; then return; fi
	local commit='' nothing="$1 is neither a directory with a checkout nor a commit of $repository"
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

# Signals are passed on to pushpull, which then saves what it has measured; the script waits for it.
trap 'signalled=yes; kill -INT "${!-}" 2>/dev/null || true' INT TERM HUP

# pushpull runs in its own process group, so that Ctrl-C interrupts it only once.
set -m
"$tmp/head" duet --base "$tmp/base" --head "$tmp/head" --out "$out" \
	--junit "$out/junit.xml" \
	--markdown "$out/summary.md" \
	--benchfmt "$out/bench.txt" \
	--benchmark-action "$out/bench.json" \
	"$@" </dev/null &
duet=$!
set +m

signalled=yes
while [ "$signalled" ]; do
	signalled='' code=0
	wait "$duet" || code=$?
done
exit "$code"
