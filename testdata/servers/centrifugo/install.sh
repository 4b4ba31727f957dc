#!/bin/sh
# Builds Centrifugo, if it is missing, into the cache of this user. It needs Go, and takes some minutes.
set -eu
bin=${XDG_CACHE_HOME:-$HOME/.cache}/pushpull/centrifugo-6.9.1
[ ! -x "$bin/centrifugo" ] || exit 0
mkdir -p "$bin"
GOBIN=$bin go install github.com/centrifugal/centrifugo/v6@v6.9.1 >&2
