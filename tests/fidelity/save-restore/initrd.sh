#!/bin/sh
# Makes an initrd with which Debian's kernel as dom0 saves and restores a PV domU of the same kernel, by Debian's xl:
#
#   tests/fidelity/save-restore/initrd.sh 6.1 xl.initrd      # or 6.12
#   build/pvmmu record --kernel 6.1 --initrd xl.initrd --run save-restore -o save-restore.rec
#
# All packages are fetched and unpacked, none is installed. The calls of the domU are those of domid 1, and 2 once it is
# restored. Such a recording cannot be replayed: what dom0's tools do to the domU is not recorded.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -ne 2 ]; then
  echo "usage: $0 SERIES FILE: a series of kernels, 6.1 or 6.12, and the initrd to write" >&2
  exit 2
fi
out=$(realpath "$2")
kernel=$(apt-cache pkgnames "linux-image-$1." | grep -E '^linux-image-[0-9.+deb-]+-amd64-unsigned$' | sort -V | tail -1)
if [ -z "$kernel" ]; then
  echo "$0: apt offers no kernel of series $1" >&2
  exit 3
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/packages" "$work/dom0" "$work/domu" "$work/kernel"
cd "$work/packages"
apt-get download -q "$kernel" busybox-static xen-utils-4.17 xen-utils-common xenstore-utils libxenmisc4.17 libxencall1 \
  libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 libxenstore4 libxentoolcore1 \
  libxentoollog1 libc6 libgcc-s1 libyajl2 libbz2-1.0 liblzma5 libzstd1 zlib1g liblzo2-2 libuuid1 libnl-3-200 \
  libnl-route-3-200 libtinfo6 libncurses6 >&2
for package in *.deb; do
  case $package in
    linux-image-*) dpkg-deb -x "$package" "$work/kernel" ;;
    *) dpkg-deb -x "$package" "$work/dom0" ;;
  esac
done
busybox=$work/dom0/bin/busybox

archive() { (cd "$1" && find . | "$busybox" cpio -o -H newc 2>/dev/null | gzip -1); }

cd "$work/domu"
mkdir bin dev proc sys
cp "$busybox" bin/busybox
cp "$here/domu-init" init
archive . >"$work/domu.initrd"

cd "$work/dom0"
rm -rf usr/share usr/lib/python3 usr/lib/debug usr/lib/x86_64-linux-gnu/gconv usr/lib/xen-4.17/boot
mkdir -p dev proc sys run tmp lib/modules var/run var/log
for module in xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs; do
  found=$(find "$work/kernel" -name "$module.ko*")
  case $found in
    *.xz) xz -dc "$found" >"lib/modules/$module.ko" ;;
    *) cp "$found" "lib/modules/$module.ko" ;;
  esac
done
cp "$work/kernel/boot"/vmlinuz-* vmlinuz
mv "$work/domu.initrd" domu.initrd
cp "$here/init" init
cp "$here/save-restore" bin/save-restore
cp "$here/domu.cfg" domu.cfg
archive . >"$out"
echo "$out: xl for $kernel" >&2
