#!/bin/sh
# Installs nginx with nchan from Debian's or Ubuntu's packages, if they are missing. It needs root for that.
set -eu
[ ! -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update </dev/null >&2
apt-get install -y --no-install-recommends libnginx-mod-nchan </dev/null >&2
