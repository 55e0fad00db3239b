#!/bin/sh
# Builds Linux 6.1 without split page-table locks, from Debian's source package: Debian's own kernels are all built with
# them. Some minutes on two cores, 1.7 GB while it builds. Nothing is installed.
#
#   tests/fidelity/kernel-without-split-locks.sh    # prints where the kernel lies: vmlinuz, System.map and config beside it
#
# It lies where the lab keeps its packages ($PVMMU_LAB_CACHE, else $XDG_CACHE_HOME/pvmmu, else $HOME/.cache/pvmmu), a
# folder a version, and is built once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

missing=
for need in make:make gcc:gcc flex:flex bison:bison bc:bc xz:xz-utils perl:perl apt-get:apt dpkg-deb:dpkg; do
  command -v "${need%%:*}" >/dev/null || missing="$missing ${need#*:}"
done
echo '#include <libelf.h>' | gcc -E - >/dev/null 2>&1 || missing="$missing libelf-dev"
if [ -n "$missing" ]; then
  echo "$0: to build a kernel these are missing: apt-get install$missing" >&2
  exit 3
fi

version=$(LC_ALL=C apt-cache policy linux-source-6.1 | sed -n 's/^  Candidate: //p')
if [ -z "$version" ] || [ "$version" = "(none)" ]; then
  echo "$0: apt offers no linux-source-6.1: expected Debian 12's archive (apt-get update)" >&2
  exit 3
fi
cache=${PVMMU_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pvmmu}
folder=$cache/linux-$version-nr-cpus-2
wanted=$(sha256sum <"$here/kernel-without-split-locks.config")
if [ -f "$folder/vmlinuz" ] && [ "$(cat "$folder/options")" = "$wanted" ]; then
  echo "$folder/vmlinuz"
  exit 0
fi

mkdir -p "$folder"
work=$(mktemp -d "$folder/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
echo "linux-source-6.1 $version: fetching" >&2
apt-get download -q "linux-source-6.1=$version" >&2
dpkg-deb --fsys-tarfile ./*.deb | tar -xO ./usr/src/linux-source-6.1.tar.xz | tar -xJ
cd linux-source-6.1

echo "configuring" >&2
make tinyconfig >../log 2>&1
./scripts/kconfig/merge_config.sh -m .config "$here/kernel-without-split-locks.config" >>../log 2>&1
make olddefconfig >>../log 2>&1
sed -n '/^CONFIG_/p' "$here/kernel-without-split-locks.config" | while read -r option; do
  case $option in
    *=n) ! grep -q "^${option%=n}=" .config ;;
    *) grep -qxF "$option" .config ;;
  esac || { echo "$0: this version of Linux does not take $option" >&2; exit 3; }
done

echo "building, $(nproc) jobs" >&2
make -j"$(nproc)" KBUILD_BUILD_TIMESTAMP="$version" KBUILD_BUILD_USER=pvmmu KBUILD_BUILD_HOST=pvmmu bzImage >>../log 2>&1 || {
  tail -30 ../log >&2
  exit 3
}
cp System.map "$folder/System.map"
cp .config "$folder/config"
cp arch/x86/boot/bzImage "$folder/vmlinuz"
echo "$wanted" >"$folder/options"
echo "$folder/vmlinuz"
