#!/bin/sh
# Installs Socket.IO beside this file, if it is missing. It needs Node.js 18 or later, with npm.
set -eu
cd "$(dirname "$0")"
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci >&2
