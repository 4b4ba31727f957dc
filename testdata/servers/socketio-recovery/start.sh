#!/bin/sh
# Starts Socket.IO with the recovery of connections switched on.
set -eu
exec "$(dirname "$0")/../socketio/start.sh" --recovery
