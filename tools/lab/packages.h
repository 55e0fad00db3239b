#pragma once
// Debian's Xen, fetched as packages and unpacked, never installed: installing it would change the machine's boot
// loader.
//
//   const xen_package xen = fetch_xen();    // downloads at the first time, or when apt offers another version
//
// They lie in $PVMMU_LAB_CACHE, else $XDG_CACHE_HOME/pvmmu, else $HOME/.cache/pvmmu, a folder a version.

#include <filesystem>
#include <string>

namespace pvmmu::lab {

struct xen_package {
  std::string version;            ///< as apt names it
  std::filesystem::path image;    ///< the multiboot ELF file, unpacked
  std::filesystem::path symbols;  ///< addresses of every symbol
};

/// Throws lab_error: no apt, no such package, no network, no place to write to.
xen_package fetch_xen();

/// The version of qemu-system-x86_64. Throws lab_error if it is not installed.
std::string find_qemu();

}  // namespace pvmmu::lab
