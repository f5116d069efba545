#!/bin/sh
# image.sh: the machine of these tests, built of Debian's packages unless it is in the cache; prints
# its directory, which holds root.ext4, vmlinuz and initrd.gz. Any user may run it: mmdebstrap needs
# no root where user namespaces and /etc/subuid allow. DIRECTOR_SUITE is another release of
# Debian than this machine has; the packages come from where packaging/sources.sh says.
set -eu
cd "$(dirname "$0")"
own=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME" || echo bookworm)
suite=${DIRECTOR_SUITE:-$own}
packages=systemd,systemd-sysv,dbus,udev,kmod,e2fsprogs,busybox-static,qemu-guest-agent,procps,netbase
packages=$packages,keepalived,ipvsadm,firewalld,iptables,nftables,ipset,conntrack,iproute2,tcpdump
packages=$packages,python3,python3-dbus-next,python3-prometheus-client,python3-systemd,curl,openssl
packages=$packages,xz-utils
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lvsmarkd-director
fail() { echo "image.sh: $*" >&2; exit 1; }

sources=$(sh ../../packaging/sources.sh "$suite")
key=$(cat image.sh inside.sh | { cat; echo "$suite $sources"; } | sha256sum | cut -c1-16)
image=$cache/$key
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 900 9 || fail "another build holds $cache/lock"
[ -e "$image/complete" ] || {
    for tool in mmdebstrap mke2fs fakeroot; do
        command -v "$tool" >/dev/null || fail "$tool is missing: run packaging/setup.sh director as root"
    done
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    rm -rf "$image"
    mkdir -p "$image"
    echo "$sources" > "$work/sources.list"
    # Without the lock: should this script be killed, the next one need not wait for them.
    timeout 1200 mmdebstrap --quiet --variant=minbase --include="$packages" \
        --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --customize-hook='upload inside.sh /tmp/inside.sh' \
        --customize-hook='chroot "$1" sh /tmp/inside.sh' \
        --customize-hook="download /boot/vmlinuz '$image/vmlinuz'" \
        --customize-hook="download /boot/initrd.gz '$image/initrd.gz'" \
        --customize-hook='rm -rf "$1/boot" "$1/tmp/inside.sh"' \
        "$suite" "$work/root.tar" "$work/sources.list" >&2 9>&-
    # Who owns what is in the image as in the archive, also where an ordinary user unpacks it.
    with=fakeroot
    [ "$(id -u)" != 0 ] || with=
    $with sh -euc 'mkdir "$1/root"
        tar -C "$1/root" --exclude="./dev/*" -xf "$1/root.tar"
        mke2fs -q -t ext4 -m 0 -E lazy_itable_init=1,lazy_journal_init=1 -J size=8 \
            -d "$1/root" "$2" 1400M' sh "$work" "$image/root.ext4"
    touch "$image/complete"
    # Of images that are no longer made, the newest may serve an older checkout.
    find "$cache" -mindepth 1 -maxdepth 1 -type d ! -path "$image" -mtime +14 -exec rm -rf {} +
}
echo "$image"
