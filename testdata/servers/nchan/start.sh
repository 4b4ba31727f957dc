#!/bin/bash
# Starts nginx with nchan on a free port of this machine, or on $PORT, and says where it listens.
set -euo pipefail
cd "$(dirname "$0")"
. ../free-port.sh
[ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || { echo "nchan is missing: run $PWD/install.sh as root" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)" || true
files=$(ulimit -n)
[ "$files" != unlimited ] && [ "$files" -lt 65536 ] || files=65536

dir=$(mktemp -d "${TMPDIR:-/tmp}/nchan.XXXXXX")
chmod 711 "$dir" # the worker is another user if this runs as root
trap 'rm -rf "$dir"' EXIT

server() {
	sed -e "s#@dir@#$dir#; s#@port@#$1#; s#@files@#$files#" nginx.conf >"$dir/nginx.conf"
	exec $orphaned /usr/sbin/nginx -p "$dir" -c "$dir/nginx.conf" -e stderr
}
serve
