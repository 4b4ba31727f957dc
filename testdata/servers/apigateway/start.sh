#!/bin/bash
# Starts serverless-offline, which emulates API Gateway, on a free port of this machine, or on $PORT, and says where
# its WebSockets listen.
set -euo pipefail
cd "$(dirname "$0")"
. ../free-port.sh
[ -d node_modules ] || { echo "serverless-offline is missing: run $PWD/install.sh" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)" || true

. ./environment.sh

server() {
	WEBSOCKET_PORT=$1 exec $orphaned node node_modules/serverless/bin/serverless.js offline start --useInProcess \
		--websocketPort "$1" --httpPort $((32000 + RANDOM % 350)) --lambdaPort $((32350 + RANDOM % 350))
}
serve
