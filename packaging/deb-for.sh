#!/bin/sh
# deb-for.sh SUITE: build the package for another release of Debian than this machine has, in a system
# of that release made for it: into dist/SUITE/. Any user may run it where user namespaces and
# /etc/subuid allow; it needs mmdebstrap.
set -eu
cd "$(dirname "$0")/.."
suite=${1?usage: deb-for.sh SUITE}
command -v mmdebstrap >/dev/null || { echo "deb-for.sh: mmdebstrap is missing" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
sh packaging/sources.sh "$suite" > "$work/sources.list"
mkdir -p "$work/source" "$work/dist" "dist/$suite"
sh packaging/source.sh "$work/source"
# Whom this machine trusts, that system trusts: a package index may be behind an authority of its own.
authorities=/etc/ssl/certs/ca-certificates.crt
timeout 1500 mmdebstrap --quiet --variant=minbase --format=null \
    --include=build-essential,debhelper,python3-dev,python3-venv,ca-certificates \
    --aptopt='Acquire::Languages "none"' \
    --customize-hook="upload $authorities $authorities" \
    --customize-hook="sync-in $work/source /root" \
    --customize-hook='chroot "$1" env PIP_CERT='"$authorities"' sh /root/packaging/deb.sh' \
    --customize-hook="sync-out /root/dist $work/dist" \
    "$suite" /dev/null "$work/sources.list" >&2
rm -f "dist/$suite"/lvsmarkd_*.deb
mv "$work/dist"/*.deb "dist/$suite/"
ls -l "dist/$suite"/*.deb
