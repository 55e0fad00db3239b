#pragma once
// How a machine and its domains are set up, and what a domain is told when it starts.

#include <string>
#include <vector>

#include "proto/abi/frame.h"

namespace pvmmu {

/// The hypervisor's build and the machine below it.
struct machine_config {
  u64 frames = 1 << 18;      ///< of 4 KiB; up to 2^28 (1 TiB). Costs address space, not memory.
  bool debug_build = false;  ///< a debug Xen: gdprintk messages, PTE bit 62 refused, multicall entries overwritten
  bool tlb = false;          ///< processors remember translations until they are flushed
  friend bool operator==(const machine_config&, const machine_config&) = default;
};

enum class domain_kind : u8 { dom0, domU };

/// A domain to build. The builder lays it out as Xen's dom0 builder and the tools' domU builder do: kernel, initial
/// ramdisk, p2m list, start_info, page tables (mapped read-only), stack, and everything rounded up to 4 MiB, from
/// `virt_base` on.
struct domain_config {
  domain_kind kind = domain_kind::dom0;
  u64 pages = 16384;  ///< frames of memory
  u32 vcpus = 1;
  u64 virt_base = 0xffffffff80000000;
  u64 kernel_pages = 2048;  ///< frames from `virt_base` to the end of the kernel's image: code, data and heap
  u64 initrd_bytes = 0;     ///< of the initial ramdisk
  bool vm_assist_writable_pagetables = true;
};

/// A run of pseudo-physical frames that are contiguous in the machine too.
struct p2m_run {
  pfn_t pfn;
  mfn_t mfn;
  u64 frames = 0;
  friend bool operator==(const p2m_run&, const p2m_run&) = default;
};

/// What a domain knows at its start: Xen's start_info, as far as the MMU is concerned.
struct start_info {
  domid_t domid = 0;
  u64 nr_pages = 0;  ///< frames
  u32 vcpus = 1;
  u64 virt_base = 0;
  u64 mapped_pages = 0;      ///< frames mapped from virt_base on; pfn i is at virt_base + i pages
  u64 pt_base = 0;           ///< virtual address of the first page-table page: the L4
  u64 nr_pt_frames = 0;      ///< page-table pages from pt_base on
  std::vector<p2m_run> p2m;  ///< every frame of the domain, ascending by pfn
  friend bool operator==(const start_info&, const start_info&) = default;
};

}  // namespace pvmmu
