#!/bin/bash
# Starts serverless-offline, which emulates API Gateway, on a free port of this machine, or on $PORT, and says where
# its WebSockets listen.
set -euo pipefail
cd "$(dirname "$0")"
. ../free-port.sh
[ -d node_modules ] || { echo "serverless-offline is missing: run $PWD/install.sh" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)" || true

dir=$(mktemp -d "${TMPDIR:-/tmp}/apigateway.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# The version before the one that wants an account. It reports to nobody, and keeps its files in a home of its own.
export HOME=$dir SLS_TELEMETRY_DISABLED=1 SLS_NOTIFICATIONS_MODE=off SLS_ANALYTICS_DISABLED=1 SLS_TRACKING_DISABLED=1
export AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none

server() {
	WEBSOCKET_PORT=$1 exec $orphaned node node_modules/serverless/bin/serverless.js offline start --useInProcess \
		--websocketPort "$1" --httpPort $((32000 + RANDOM % 700)) --lambdaPort $((32010 + RANDOM % 700))
}
serve
