#pragma once
// What a PV guest's arguments point to, as it lies in the guest's memory (xen 4.17 public/xen.h, memory.h,
// grant_table.h, arch-x86/xen.h).

#include <array>
#include <cstdint>

namespace pvmmu::lab::guest {

struct mmu_update {
  std::uint64_t ptr;
  std::uint64_t val;
};

struct mmuext_op {
  std::uint32_t cmd;
  std::uint64_t arg1;
  std::uint64_t arg2;
};

struct multicall_entry {
  std::uint64_t op;
  std::uint64_t result;
  std::array<std::uint64_t, 6> args;
};

struct reservation {
  std::uint64_t extent_start;
  std::uint64_t nr_extents;
  std::uint32_t extent_order;
  std::uint32_t mem_flags;
  std::uint16_t domid;
};

struct exchange {
  reservation in;
  reservation out;
  std::uint64_t nr_exchanged;
};

struct machphys_mfn_list {
  std::uint32_t max_extents;
  std::uint64_t extent_start;
  std::uint32_t nr_extents;
};

struct map_grant_ref {
  std::uint64_t host_addr;
  std::uint32_t flags;
  std::uint32_t ref;
  std::uint16_t dom;
  std::int16_t status;
  std::uint32_t handle;
  std::uint64_t dev_bus_addr;
};

struct unmap_grant_ref {
  std::uint64_t host_addr;
  std::uint64_t dev_bus_addr;
  std::uint32_t handle;
  std::int16_t status;
};

struct get_status_frames {
  std::uint32_t nr_frames;
  std::uint16_t dom;
  std::int16_t status;
  std::uint64_t frame_list;
};

struct vcpu_guest_context {
  std::array<std::uint64_t, 64> fpu;
  std::uint64_t flags;
  std::array<std::uint64_t, 16> general_registers;
  std::uint64_t rip;
  std::array<std::uint64_t, 8> other_registers;
  std::array<std::uint64_t, 512> traps;
  std::uint64_t ldt_base;
  std::uint64_t ldt_ents;
  std::array<std::uint64_t, 16> gdt_frames;
  std::uint64_t gdt_ents;
  std::array<std::uint64_t, 2> kernel_stack;
  std::array<std::uint64_t, 8> ctrlreg;
  std::array<std::uint64_t, 15> rest;
};

static_assert(sizeof(mmuext_op) == 24 && sizeof(reservation) == 32 && sizeof(exchange) == 72 &&
              sizeof(machphys_mfn_list) == 24 && sizeof(map_grant_ref) == 32 && sizeof(unmap_grant_ref) == 24 &&
              sizeof(get_status_frames) == 16 && sizeof(vcpu_guest_context) == 5168);

}  // namespace pvmmu::lab::guest
