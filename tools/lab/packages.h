#pragma once
// What Debian has that the lab boots: its Xen, its kernels. Fetched as packages and unpacked, never installed:
// installing them would change the machine's boot loader.
//
//   const xen_package xen = fetch_xen();
//   const linux_package linux = fetch_linux("6.1");    // the newest 6.1 that apt offers now

#include <filesystem>
#include <string>

namespace pvmmu::lab {

struct xen_package {
  std::string version;            ///< as apt names it
  std::filesystem::path image;    ///< the multiboot ELF file, unpacked
  std::filesystem::path symbols;  ///< addresses of every symbol
};

struct linux_package {
  std::string name;             ///< of the package; it has the release in it
  std::string version;          ///< as apt names it
  std::filesystem::path image;  ///< a bzImage
};

/// Throws lab_error, as all that follow: no apt, no such package, no network, no place to write to.
xen_package fetch_xen();

/// `series`: the first numbers of the version, as "6.1" or "6.12". Debian's kernels for amd64, those for clouds and for
/// real time apart.
linux_package fetch_linux(const std::string& series);

/// A static shell with all tools.
std::filesystem::path fetch_busybox();

/// The version of qemu-system-x86_64. Throws lab_error if it is not installed.
std::string find_qemu();

}  // namespace pvmmu::lab
