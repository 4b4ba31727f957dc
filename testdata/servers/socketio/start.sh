#!/bin/sh
# Starts Socket.IO on a free port of this machine, or on $PORT, and says where it listens. --recovery switches
# the recovery of connections on.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || { echo "Socket.IO is missing: run $PWD/install.sh" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)" || true
exec node server.mjs "$@"
