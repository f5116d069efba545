#!/bin/sh
# sources.sh SUITE: the lines of sources.list for a release of Debian, from where apt of this machine
# has its packages. DEBIAN_SOURCES, where set, is used instead.
set -eu
[ -z "${DEBIAN_SOURCES-}" ] || { echo "$DEBIAN_SOURCES"; exit 0; }
own=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
found=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' \
    2>/dev/null | grep -E " $own(-updates|-security)? main\$" | sort -u | sed "s/ $own/ $1/")
[ -n "$found" ] || {
    echo "sources.sh: apt of this machine has no sources of Debian: set DEBIAN_SOURCES" >&2
    exit 1
}
echo "$found"
