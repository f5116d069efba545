#!/bin/sh
# Build the Debian package into dist/, as any user: lvsmarkd_VERSION_ARCH.deb. The libraries that it
# brings come from the package index, so that the machine that installs it need not reach one.
set -eu
cd "$(dirname "$0")/.."
for tool in dpkg-buildpackage dh; do
    command -v "$tool" >/dev/null || {
        echo "deb.sh: $tool is missing: apt-get install build-essential debhelper python3-dev python3-venv" >&2
        exit 1
    }
done
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$build/lvsmarkd"
sh packaging/source.sh "$build/lvsmarkd"
cp -r packaging/debian "$build/lvsmarkd/debian"
(cd "$build/lvsmarkd" && dpkg-buildpackage --build=binary --no-sign --no-pre-clean) >"$build/log" 2>&1 || {
    tail -40 "$build/log" >&2
    exit 1
}
mkdir -p dist
# One version at a time: `apt-get install ./dist/lvsmarkd_*.deb` takes all that are there.
rm -f dist/lvsmarkd_*.deb
mv "$build"/*.deb dist/
ls -l dist/*.deb
