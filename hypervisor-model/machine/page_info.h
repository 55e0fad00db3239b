#pragma once
// One frame's record in the frame table: Xen 4.17's own layout, 32 bytes a frame, so that a real frame table can be
// read as it lies (xen 4.17 asm/mm.h:26-92, 105-230).
//
//   type_info   63 62 61 | 60     | 59     | 58        | 57 | 56      | 55           | 54 … 0
//               type     | locked | pinned | validated | –  | partial | non_coherent | count
//   count_info  63        | 62       | 61         | 60     | 59 58 | 57    | 56 … 0
//               allocated | xen_heap | page_table | broken | state | extra | count

#include "proto/abi/frame.h"

namespace pvmmu::xen {

// The types. They exclude each other; a frame changes type only while its type count is 0.
inline constexpr u64 PGT_none = u64{0} << 61;
inline constexpr u64 PGT_l1_page_table = u64{1} << 61;
inline constexpr u64 PGT_l2_page_table = u64{2} << 61;
inline constexpr u64 PGT_l3_page_table = u64{3} << 61;
inline constexpr u64 PGT_l4_page_table = u64{4} << 61;
inline constexpr u64 PGT_seg_desc_page = u64{5} << 61;
inline constexpr u64 PGT_shared_page = u64{6} << 61;
inline constexpr u64 PGT_writable_page = u64{7} << 61;
inline constexpr u64 PGT_type_mask = u64{7} << 61;

inline constexpr u64 PGT_locked = u64{1} << 60;
inline constexpr u64 PGT_pinned = u64{1} << 59;
inline constexpr u64 PGT_validated = u64{1} << 58;
inline constexpr u64 PGT_partial = u64{1} << 56;
inline constexpr u64 PGT_non_coherent = u64{1} << 55;
inline constexpr u64 PGT_count_mask = (u64{1} << 55) - 1;

inline constexpr u64 PGC_allocated = u64{1} << 63;
inline constexpr u64 PGC_need_scrub = PGC_allocated;  ///< of a free frame
inline constexpr u64 PGC_xen_heap = u64{1} << 62;
inline constexpr u64 PGC_page_table = u64{1} << 61;
inline constexpr u64 PGC_broken = u64{1} << 60;
inline constexpr u64 PGC_state = u64{3} << 58;
inline constexpr u64 PGC_state_free = u64{3} << 58;
inline constexpr u64 PGC_extra = u64{1} << 57;
inline constexpr u64 PGC_count_mask = (u64{1} << 57) - 1;

/// The page-table type of `level` 1 to 4.
constexpr u64 table_type(unsigned level) { return u64{level} << 61; }
/// 1 to 4 for a page table's type_info, else 0.
constexpr unsigned table_level(u64 type_info) {
  const auto type = static_cast<unsigned>(type_info >> 61);
  return type <= 4 ? type : 0;
}
constexpr bool same_type(u64 a, u64 b) { return ((a ^ b) & PGT_type_mask) == 0; }

constexpr bool is_free(u64 count_info) { return (count_info & PGC_state) == PGC_state_free; }

/// Who owns a frame, as stored in `page_info::owner`: 0 nobody, all ones no frame at all, else domid + 1.
using owner_t = u32;
inline constexpr owner_t owner_none = 0;
inline constexpr owner_t owner_hole = ~owner_t{0};
inline constexpr owner_t owner_in_transit = owner_hole - 1;  ///< within a call: neither free nor anybody's
constexpr owner_t owner_of(domid_t domid) { return owner_t{domid} + 1; }

struct page_info {
  u32 next = 0;  ///< frames in the owner's page list, 0 ends it
  u32 prev = 0;
  u64 count_info = 0;
  u64 type_info = 0;
  owner_t owner = owner_none;
  /// Xen's union: tlbflush_timestamp while no page-table type is held, otherwise
  /// {nr_validated_ptes:10, pad:5, partial_flags:1, linear_pt_count:16}.
  u32 aux = 0;

  u64 type_count() const { return type_info & PGT_count_mask; }
  u64 ref_count() const { return count_info & PGC_count_mask; }

  unsigned nr_validated_ptes() const { return aux & 0x3ff; }
  bool partial_set() const { return (aux & 0x8000) != 0; }
  s16 linear_pt_count() const { return static_cast<s16>(aux >> 16); }
  void set_progress(unsigned nr_validated_ptes, bool partial_set) {
    aux = (aux & 0xffff0000) | nr_validated_ptes | (partial_set ? 0x8000u : 0u);
  }
  void set_linear_pt_count(s16 count) { aux = (aux & 0xffff) | (u32{static_cast<u16>(count)} << 16); }
};
static_assert(sizeof(page_info) == 32);

}  // namespace pvmmu::xen
