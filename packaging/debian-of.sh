#!/bin/sh
# debian-of.sh SUITE PACKAGE: a package as another release of Debian has it, with its libraries: unpacked
# into the cache, never installed; prints its directory. The packages come from where sources.sh says.
# It runs with the loader of its own release (usr/lib64/ld-linux-…): its C library is another one.
set -eu
cd "$(dirname "$0")"
suite=${1?usage: debian-of.sh SUITE PACKAGE}
package=${2?usage: debian-of.sh SUITE PACKAGE}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lvsmarkd-$package
fail() { echo "debian-of.sh: $*" >&2; exit 1; }

for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || fail "$tool is missing, with which $suite's $package is fetched"
done
sources=$(sh sources.sh "$suite")
key=$(cat debian-of.sh | { cat; echo "$suite $sources"; } | sha256sum | cut -c1-16)
root=$cache/$key
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 300 9 || fail "somebody else holds $cache/lock"
[ -e "$root/complete" ] || {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    rm -rf "$root"
    mkdir -p "$root" "$work/lists/partial" "$work/archives/partial"
    echo "$sources" > "$work/sources.list"
    # What this machine's apt has, knows and holds is left alone.
    apt() {
        timeout 300 apt-get -qq -y -o Dir::Etc::SourceList="$work/sources.list" \
            -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$work/lists" \
            -o Dir::State::Status=/dev/null -o Dir::Cache="$work" -o APT::Sandbox::User= \
            -o Debug::NoLocking=1 -o Acquire::Languages=none "$@" >&2 9>&-
    }
    apt update || fail "apt has no packages of $suite"
    apt --no-install-recommends --download-only install "$package" \
        || fail "apt cannot fetch $suite's $package"
    for archive in "$work"/archives/*.deb; do
        dpkg-deb -x "$archive" "$root"
    done
    rm -rf "$root/usr/share" "$root"/usr/lib/*/perl* "$root/usr/lib/modules"
    touch "$root/complete"
    find "$cache" -mindepth 1 -maxdepth 1 -type d ! -path "$root" -mtime +14 -exec rm -rf {} +
}
echo "$root"
