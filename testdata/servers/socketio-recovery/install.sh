#!/bin/sh
set -eu
exec "$(dirname "$0")/../socketio/install.sh"
