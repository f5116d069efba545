#!/bin/sh
# Runs in the new system while it is built (image.sh): kernel, initrd, and a quick start without
# anything that asks for a person or a network.
set -eu

# The kernel's package is unpacked, not installed: its scripts would make a large initrd, slowly.
cd /tmp
kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ {print $2; exit}')
apt-get -q download "$kernel" >/dev/null
dpkg-deb -x "$kernel"*.deb kernel
rm "$kernel"*.deb
[ -e kernel/lib ] || ln -s usr/lib kernel/lib  # newer releases know one /usr only
version=$(ls kernel/lib/modules)
cp "kernel/boot/vmlinuz-$version" /boot/vmlinuz
modules=/lib/modules/$version
mkdir -p "$modules"
cp "kernel$modules"/modules.order "kernel$modules"/modules.builtin* "$modules"
(
    cd "kernel$modules/kernel"
    for part in net/netfilter net/ipv4 net/ipv6 net/bridge net/802 net/8021q net/llc net/core \
        net/sched net/vmw_vsock lib crypto arch/x86/crypto drivers/virtio drivers/block/virtio_blk.ko* \
        drivers/char/virtio_console.ko* drivers/char/hw_random drivers/net \
        fs/ext4 fs/jbd2 fs/mbcache.ko* fs/overlayfs fs/autofs; do
        [ ! -e "$part" ] || find "$part" -name '*.ko' -o -name '*.ko.xz'
    done | grep -vE '^drivers/net/(ethernet|wireless|usb|wwan|can|hamradio|phy|fddi|arcnet|ieee802154)/' \
        | tar -c -T - | { mkdir "$modules/kernel"; tar -x -C "$modules/kernel"; }
)
rm -rf kernel
# Newer kernels have them packed.
find "$modules" -name '*.ko.xz' -exec xz -d {} +
depmod "$version"

# The initrd: what it takes to find the root, and no more.
mkdir -p initrd/bin initrd/modules initrd/proc initrd/dev initrd/root
cp /bin/busybox initrd/bin/
ln -s busybox initrd/bin/sh
for module in virtio_pci virtio_blk crc32c_generic ext4; do
    modprobe -S "$version" --show-depends "$module" | awk '/^insmod/ {print $2}' | while read -r file; do
        name=${file##*/}
        [ ! -e "initrd/modules/$name" ] || continue
        cp "$file" initrd/modules/
        echo "$name" >> initrd/modules/list
    done
done
cat > initrd/init <<'INIT'
#!/bin/sh
alias b=/bin/busybox
b mount -t proc proc /proc
b mount -t devtmpfs dev /dev
while read -r module; do b insmod "/modules/$module"; done < /modules/list
tries=500
until [ -b /dev/vda ] || [ $tries = 0 ]; do b usleep 20000; tries=$((tries - 1)); done
b mount -t ext4 -o rw,noatime /dev/vda /root || echo "the root cannot be mounted" > /dev/console
b umount /proc
b mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
INIT
chmod 755 initrd/init
(cd initrd && find . | busybox cpio -o -H newc | gzip -1) > /boot/initrd.gz
rm -rf initrd

# Packages that are installed later have their manual pages.
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap
echo director > /etc/hostname
printf '127.0.0.1 localhost director\n::1 localhost\n' > /etc/hosts
: > /etc/fstab
: > /etc/machine-id
systemctl -q disable firewalld keepalived ipvsadm nftables 2>/dev/null || true
for unit in getty.target getty@tty1.service serial-getty@ttyS0.service apt-daily.timer \
    apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service \
    systemd-pstore.service systemd-random-seed.service systemd-hwdb-update.service \
    systemd-tmpfiles-clean.timer systemd-binfmt.service systemd-logind.service remote-fs.target \
    proc-sys-fs-binfmt_misc.automount sys-kernel-debug.mount sys-kernel-tracing.mount dev-mqueue.mount \
    dev-hugepages.mount sys-fs-fuse-connections.mount modprobe@fuse.service modprobe@drm.service \
    modprobe@dm_mod.service modprobe@loop.service modprobe@efi_pstore.service; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
# The journal is asked for what was said before a boot, too.
mkdir -p /var/log/journal
# For the servers by HTTPS: nobody looks at it.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=director \
    -keyout /etc/ssl/private/director.pem -out /etc/ssl/director.crt 2>/dev/null
cat /etc/ssl/director.crt >> /etc/ssl/private/director.pem
mkdir -p /etc/modules-load.d
echo virtio_console > /etc/modules-load.d/director.conf
