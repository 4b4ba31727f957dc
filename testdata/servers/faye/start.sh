#!/bin/sh
# Starts Faye on a free port of this machine, or on $PORT, and says where it listens.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || { echo "Faye is missing: run $PWD/install.sh" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)" || true
exec node server.mjs
