#!/bin/sh
# Installs serverless-offline beside this file, if it is missing: 280 MB. It needs Node.js 18 or later, with npm.
set -eu
cd "$(dirname "$0")"
[ ! node_modules/.package-lock.json -nt package-lock.json ] || exit 0
npm ci >&2
. ./environment.sh
mkdir -p "$HOME"
node node_modules/serverless/bin/serverless.js print >/dev/null # compiles the schema
