#pragma once
// What Xen's dom0 builder must know of a PV kernel before it can lay out a domain for it: read from its ELF file, as
// Xen reads it (xen 4.17 libelf-dominfo.c).
//
//   const pv_kernel kernel = read_pv_kernel(path_of_the_probe);
//   build_domain(m, {.pages = 163840, .virt_base = kernel.virt_base, .kernel_pages = kernel.pages});

#include <filesystem>

#include "proto/abi/types.h"

namespace pvmmu::lab {

struct pv_kernel {
  u64 virt_base = 0;  ///< where the domain's first frame is mapped
  u64 pages = 0;      ///< frames from there to the end of the image
};

/// Throws lab_error for a file that is no ELF64 file with Xen's notes, and for a kernel that wants its p2m list or its
/// ramdisk elsewhere (notes INIT_P2M, MOD_START_PFN): such a domain is not modelled.
pv_kernel read_pv_kernel(const std::filesystem::path& file);

}  // namespace pvmmu::lab
