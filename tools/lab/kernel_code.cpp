#include "tools/lab/kernel_code.h"

#include <algorithm>

#include "proto/abi/pte.h"

namespace pvmmu::lab {
namespace {

constexpr u64 kernel_slot = 511;  // of the L4: where Linux has its image and modules

/// Calls visit(va, mfn) for each 4 KiB page below `table` that may be executed.
template <class Visit>
void for_each_executable(const memory_image& memory, mfn_t table, unsigned level, u64 va, const Visit& visit) {
  const auto words = memory.words(table);
  for (u64 slot = 0; slot < entries_per_table; ++slot) {
    const pte_t entry = words[slot];
    if (!present(entry) || (entry & PAGE_NX) != 0) continue;
    const mfn_t mfn{(entry & PTE_ADDR_MASK) >> PAGE_SHIFT};
    if (mfn.n >= memory.frames()) continue;
    const u64 at = va + (slot << (PAGE_SHIFT + 9 * (level - 1)));
    if (level > 1) {
      for_each_executable(memory, mfn, level - 1, at, visit);
    } else {
      visit(at, mfn);
    }
  }
}

/// Bytes of an indirect call, `FF /2`, with this ModRM byte; 0: it is none.
u64 indirect_call_bytes(u8 modrm) {
  if ((modrm & 0x38) != 0x10) return 0;
  const unsigned mod = modrm >> 6;
  const unsigned rm = modrm & 7;
  if (mod == 3) return 2;
  const u64 sib = rm == 4 ? 1 : 0;
  if (mod == 0) return 2 + sib + (rm == 5 ? 4 : 0);
  return 2 + sib + (mod == 1 ? 1 : 4);
}

}  // namespace

kernel_code::kernel_code(const memory_image& memory, mfn_t l4) {
  const pte_t top = memory.words(l4)[kernel_slot];
  if (!present(top)) return;
  const auto copy = [&](u64 va, mfn_t mfn) {
    const auto words = memory.words(mfn);
    add_page(va, std::span<const u8, PAGE_SIZE>{reinterpret_cast<const u8*>(words.data()), PAGE_SIZE});
  };
  for_each_executable(memory, {(top & PTE_ADDR_MASK) >> PAGE_SHIFT}, 3, ~u64{0} << 39, copy);
}

void kernel_code::add_page(u64 va, std::span<const u8, PAGE_SIZE> bytes) {
  std::ranges::copy(bytes, pages_[va].begin());
}

std::optional<u8> kernel_code::byte(u64 va) const {
  const auto page = pages_.find(va & ~PAGE_OFFSET_MASK);
  if (page == pages_.end()) return std::nullopt;
  return page->second[va & PAGE_OFFSET_MASK];
}

u64 kernel_code::target_before(u64 va) const {
  u32 distance = 0;
  for (unsigned i = 0; i < 4; ++i) distance |= u32{byte(va - 4 + i).value_or(0)} << (8 * i);
  return va + static_cast<u64>(static_cast<s64>(static_cast<s32>(distance)));
}

bool kernel_code::jumps(u64 begin, u64 end, u64 target) const {
  constexpr u64 jump_bytes = 5;  // E9 and the distance
  for (u64 at = begin; at + jump_bytes <= end; ++at)
    if (byte(at) == u8{0xe9} && target_before(at + jump_bytes) == target) return true;
  return false;
}

std::optional<call_site> kernel_code::call_before(u64 va) const {
  if (byte(va - 5) == u8{0xe8}) return call_site{target_before(va)};
  for (u64 bytes = 2; bytes <= 7; ++bytes) {
    if (byte(va - bytes) == u8{0xff} && indirect_call_bytes(byte(va - bytes + 1).value_or(0)) == bytes)
      return call_site{};
  }
  return std::nullopt;
}

}  // namespace pvmmu::lab
