#!/bin/bash
# Starts Centrifugo on a free port of this machine, or on $PORT, and says where it listens. $CENTRIFUGO may hold the
# path of another build.
set -euo pipefail
cd "$(dirname "$0")"
. ../free-port.sh
centrifugo=${CENTRIFUGO:-${XDG_CACHE_HOME:-$HOME/.cache}/pushpull/centrifugo-6.9.1/centrifugo}
[ -x "$centrifugo" ] || { echo "Centrifugo is missing: run $PWD/install.sh" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)" || true

server() { CENTRIFUGO_HTTP_SERVER_PORT=$1 exec $orphaned "$centrifugo" -c config.json; }
serve
