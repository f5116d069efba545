#!/bin/sh
# Has the system what lvsmarkd needs, and with `demo`, `tests` or `director` what these need?
# Installs what is missing with apt or dnf (as root); elsewhere it says what is missing and ends
# with 1.
set -eu
demo=""
tests=""
director=""
case ${1-} in
    "") ;;
    demo) demo=yes ;;
    tests) demo=yes tests=yes ;;
    director) demo=yes tests=yes director=yes ;;
    *) echo "usage: setup.sh [demo|tests|director]" >&2; exit 1 ;;
esac
PATH=$PATH:/usr/sbin:/sbin

missing=""
want() { # want NAME TEST...: note NAME as missing unless the test passes
    name=$1; shift
    "$@" >/dev/null 2>&1 || missing="$missing $name"
}
has() { command -v "$1"; }
python_that_does() {
    for python in python3 python3.13 python3.12 python3.11; do
        "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' && return
    done
    return 1
}
python_headers() {
    for python in python3 python3.13 python3.12 python3.11; do
        "$python" -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' && return
    done
    return 1
}
polkitd() { test -x /usr/lib/polkit-1/polkitd || test -x /usr/libexec/polkitd; }
# Nothing that is installed here is started. What is installed for demo and tests alone, and would be
# a service otherwise, must not become one of this machine, neither now nor at the next boot, nor when
# somebody calls it on the bus: so it is masked.
keep_out_of_service() {
    [ -z "$demo" ] || mask firewalld firewalld
    [ -z "$tests" ] || mask promtool prometheus
    if has apt-get >/dev/null && [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
}
mask() { # mask PROGRAM UNIT: unless the program is here already
    if ! has "$1" >/dev/null && [ ! -e "/etc/systemd/system/$2.service" ]; then
        mkdir -p /etc/systemd/system
        ln -s /dev/null "/etc/systemd/system/$2.service"
        echo "$2 is installed to be shown and tested, and masked: systemctl unmask $2, to use it"
    fi
}
look() {
    missing=""
    want python python_that_does
    want python-headers python_headers
    want compiler has gcc
    want pkg-config has pkg-config
    want libsystemd pkg-config --exists libsystemd
    want iptables has iptables
    want iptables-legacy has iptables-legacy
    want nftables has nft
    want iproute has ip
    want util-linux has unshare
    want procps has ps
    want keepalived has keepalived
    [ -n "$demo" ] || return 0
    want firewalld has firewalld
    want dbus-daemon has dbus-daemon
    want dbus-send has dbus-send
    [ -n "$tests" ] || return 0
    want ipset has ipset
    want libnl test -e /usr/include/libnl3/netlink/netlink.h
    want polkit polkitd
    want mandoc has mandoc
    want promtool has promtool
    want dpkg-buildpackage has dpkg-buildpackage
    want debhelper has dh
    want lintian has lintian
    want rpmbuild has rpmbuild
    want rpmlint has rpmlint
    want cpio has cpio
    [ -n "$director" ] || return 0
    want qemu has qemu-system-x86_64
    want qemu-img has qemu-img
    want mmdebstrap has mmdebstrap
    want mke2fs has mke2fs
    want fakeroot has fakeroot
    # Without them, only root builds the image.
    want uidmap has newuidmap
}

# Beside the keepalived and the nft that are installed, tests ask Debian 13's: they are unpacked, not
# installed.
fetch() {
    [ -n "$tests" ] || return 0
    sh "$(dirname "$0")/keepalived-of.sh" trixie >/dev/null \
        && sh "$(dirname "$0")/debian-of.sh" trixie nftables >/dev/null \
        || echo "without them, the tests that ask them fail" >&2
}

look
[ -n "$missing" ] || { fetch; exit 0; }
if [ "$(id -u)" != 0 ]; then
    echo "missing:$missing; run this as root to install it" >&2
    exit 1
fi
echo "installing what is missing:$missing"
keep_out_of_service
if has apt-get >/dev/null; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        python3 python3-venv python3-dev gcc libc6-dev pkg-config libsystemd-dev \
        iptables nftables iproute2 util-linux procps keepalived \
        ${demo:+dbus firewalld} ${tests:+ipset libnl-3-dev libnl-genl-3-dev polkitd mandoc prometheus} \
        ${tests:+build-essential dpkg-dev debhelper lintian rpm rpmlint cpio} \
        ${director:+qemu-system-x86 qemu-utils mmdebstrap e2fsprogs fakeroot uidmap}
elif has dnf >/dev/null; then
    rest="gcc pkgconf-pkg-config systemd-devel iptables-nft nftables iproute util-linux procps-ng
        keepalived ${demo:+dbus-daemon dbus-tools firewalld}
        ${tests:+ipset libnl3-devel polkit mandoc golang-github-prometheus dpkg-dev debhelper rpm-build rpmlint cpio}"
    # Words, not a word: shellcheck disable=SC2086
    dnf install -y python3 python3-devel iptables-legacy $rest \
        || dnf install -y python3.12 python3.12-devel $rest
else
    echo "missing:$missing; install it with this system's package manager and try again" >&2
    exit 1
fi
look
[ -z "$missing" ] || { echo "still missing after the installation:$missing" >&2; exit 1; }
fetch
