#!/bin/sh
# keepalived-of.sh SUITE: keepalived as another release of Debian has it (debian-of.sh); prints its directory.
set -eu
root=$(sh "$(dirname "$0")/debian-of.sh" "${1?usage: keepalived-of.sh SUITE}" keepalived)
# It ends where it finds no list of what it was built with: in /etc/keepalived, or beside itself.
options=$root/etc/keepalived/keepalived.config-opts
[ ! -e "$options" ] || cp -u "$options" "$root/usr/sbin/"
echo "$root"
