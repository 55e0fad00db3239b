#!/usr/bin/env bash
# Installs what building pvmmu needs on Debian 12, and nothing if all of it is there.
#   tools/install-deps.sh          to build and run the command
#   tools/install-deps.sh tests    to run all tests as well
# Works as root without sudo, and as a user with sudo.
set -euo pipefail

packages=(g++-12 cmake ninja-build libboost1.81-dev libprotobuf-dev protobuf-compiler libfmt-dev libcli11-dev
          liblzma-dev zlib1g-dev libncurses-dev libgtest-dev libgmock-dev libbenchmark-dev)
if [[ ${1:-} == tests ]]; then
  packages+=(clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev valgrind python3 python3-protobuf tmux
             qemu-system-x86 seabios)
fi

is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

fail() {
  echo "install-deps: $1" >&2
  echo "install-deps: still missing: ${missing[*]}" >&2
  exit 1
}

missing=()
if ! command -v dpkg-query >/dev/null; then
  missing=("${packages[@]}")
  fail "this system has no dpkg; pvmmu is built on Debian 12"
fi
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  as_root=(sudo)
fi
apt_get() {
  if [[ ${#as_root[@]} -gt 0 ]]; then
    command -v sudo >/dev/null || fail "not root, and there is no sudo"
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null
}

if [[ ${#missing[@]} -gt 0 ]]; then
  echo "Installing ${missing[*]}"
  # The package lists may be absent, or so old that the versions they name are gone: they are fetched only then.
  if ! apt_get install --no-install-recommends "${missing[@]}"; then
    echo "Fetching the package lists, then once more"
    apt_get update || fail "apt-get update failed"
    apt_get install --no-install-recommends "${missing[@]}" || fail "apt-get install failed"
  fi
fi

# The lab downloads Xen, kernels and busybox without installing them, but not without apt's lists.
if [[ ${1:-} == tests ]] && ! apt-cache show xen-hypervisor-4.17-amd64 >/dev/null 2>&1; then
  missing=("apt's package lists")
  apt_get update || fail "apt-get update failed"
fi
