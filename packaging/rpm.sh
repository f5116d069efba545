#!/bin/sh
# Build the RPM into dist/, as any user. PYTHON=/usr/bin/python3.12 names the interpreter that it is for.
# On another distribution than the one it is for, it shows that the package can be built: what has a
# compiled part fits the Python and the libsystemd of the machine that built it.
set -eu
cd "$(dirname "$0")/.."
command -v rpmbuild >/dev/null || {
    echo "rpm.sh: rpmbuild is missing: dnf install rpm-build, or apt-get install rpm" >&2
    exit 1
}
: "${PYTHON:=/usr/bin/python3}"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' lvsmarkd/__init__.py)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$build/SOURCES" "$build/lvsmarkd-$version"
sh packaging/source.sh "$build/lvsmarkd-$version"
tar -czf "$build/SOURCES/lvsmarkd-$version.tar.gz" -C "$build" "lvsmarkd-$version"
# On Debian no package of rpm's own satisfies BuildRequires: what is missing shows itself.
[ -e /etc/redhat-release ] || set -- --nodeps "$@"
rpmbuild -bb --define "_topdir $build" --define "python $PYTHON" "$@" packaging/rpm/lvsmarkd.spec \
    >"$build/log" 2>&1 || {
    tail -40 "$build/log" >&2
    exit 1
}
mkdir -p dist
# One version at a time: `dnf install ./dist/lvsmarkd-*.rpm` takes all that are there.
rm -f dist/lvsmarkd-*.rpm
find "$build/RPMS" -name '*.rpm' -exec mv {} dist/ \;
ls -l dist/*.rpm
