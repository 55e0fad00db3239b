#pragma once
// One random program in the making. Each of its frames is meant for a role; the tables are filled as their role wants
// it, most entries right, some off by one flag or by one frame; and calls do to each frame mostly what suits its role.
//
// What no program may do, because it would end the probe, or because the answer would not be the machine's alone:
//   - load an L4 without the probe's own slots: NEW_BASEPTR takes the probe's L4 and frames of role `root` alone, and
//   nothing writes their
//     slots 300 and 511;
//   - read or write memory that changes by itself, or is a device: what can be reached by an access maps no MMIO, and
//     nothing of Xen's;
//   - leave a NULL to be followed while it may have tables at address 0 loaded;
//   - leave an entry that is not present, and not 0, in a table of the foreign domain: Xen would crash that domain, and
//     restart the call forever.

#include <initializer_list>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "tools/lab/program.h"

namespace pvmmu::conform {

enum class role : u8 { data, l1, l2, l3, l4, root, descriptors };

/// The level that a role's frames are tables of, 0 for none.
constexpr unsigned level_of(role r) {
  if (r == role::root) return 4;
  return r == role::descriptors ? 0 : static_cast<unsigned>(r);
}

class program_maker {
 public:
  explicit program_maker(std::mt19937_64& random) : random_(random) {}
  lab::program make();

 private:
  // ---- draws: one a statement, because the order of a call's arguments is the compiler's choice
  u64 below(u64 n) { return random_() % n; }
  bool one_in(u64 n) { return below(n) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return list.begin()[below(list.size())];
  }

  // ---- generator_trees.cpp: what frames there are, and what lies in them
  void plan_frames();
  void fill_table(u32 frame, unsigned level);
  void fill_root(u32 frame);
  void fill_foreign();
  void pin_tables();
  void begin_calls();

  // ---- generator_spoilt.cpp: a chain of tables with a mistake at its end
  void make_spoilt();
  lab::word mistake();
  lab::simple_call meet_mistake(const lab::word& leaf);

  // ---- generator_refused.cpp
  void make_refused_stores();

  // ---- generator_unaligned.cpp
  void make_unaligned();
  lab::update_va_mapping map_page(u32 page);
  lab::memory_access unaligned_access();

  // ---- generator_words.cpp: frames and entries
  u32 own_frame() { return static_cast<u32>(below(roles_.size())); }
  u32 table();
  u32 frame_for(unsigned level);
  u32 frame_of(role r);
  u32 any_frame();
  u32 slot(u32 frame);
  u64 table_flags();
  u64 leaf_flags();
  u64 one_wrong_flag();
  lab::word outside();
  lab::word leaf();
  lab::word harmless_leaf();
  lab::word entry(unsigned level, u32 table);
  lab::word foreign_entry(unsigned level);
  lab::word next_value(u32 frame, u32 slot);

  // ---- generator_batches.cpp
  done_arg pdone();
  u32 foreigndom();
  void quirks_of_count(u32& count, bool& null_list);

  // ---- generator_mmu_update.cpp
  lab::mmu_update mmu_update();
  lab::mmu_update_entry update_entry();
  lab::mmu_update foreign_update();

  // ---- generator_mmuext_op.cpp
  lab::mmuext_op mmuext_op();
  lab::mmuext_op foreign_op();
  lab::mmuext_op new_baseptr();
  lab::mmuext_entry any_op();
  lab::mmuext_entry pin();
  lab::mmuext_entry page_op();
  lab::mmuext_entry processor_op();

  // ---- generator_calls.cpp
  lab::update_va_mapping update_va_mapping();
  lab::set_gdt set_gdt();
  u64 descriptor();
  lab::update_descriptor update_descriptor();
  lab::vm_assist vm_assist();
  lab::raw_call unknown_call();
  lab::iret iret();
  lab::simple_call simple_call();
  lab::multicall multicall();

  // ---- generator_grants.cpp
  struct granted {
    u32 call, entry;  ///< that mapped it
    lab::word host_addr;
  };
  void begin_grants();
  lab::word grant_entry();
  lab::map_grant_ref map_grant();
  lab::unmap_grant_ref unmap_grant();
  lab::call grant_call();

  // ---- generator_ldt.cpp
  void begin_ldt();
  u32 ldt_page();
  u64 segment();
  lab::update_va_mapping map_ldt_page();
  lab::mmuext_entry set_ldt();
  lab::memory_access load_selector();
  lab::mmuext_entry op_on_descriptors();
  lab::call ldt_call();

  // ---- generator_memory.cpp
  enum class memory_of : u8 { nobody, own, foreign };
  struct run {
    u32 name;    ///< of the first
    u32 number;  ///< of extents, each with a name
    u32 order;
  };
  void begin_memory();
  domid_t memory_domid();
  u32 frame_to_give();
  lab::word extent_to_give();
  std::optional<u32> new_names(u64 number);
  lab::memory_reservation part_of_run();
  lab::memory_op machphys_list();
  lab::memory_op memory_op(bool named);
  void furnish(u32 frame);
  void add_memory_call();

  // ---- generator_reservations.cpp
  void refuse(lab::memory_reservation& r);
  u32 scarce();
  lab::memory_reservation new_extents();
  lab::memory_op take_frames(bool named);
  lab::memory_op give_back();

  // ---- generator_exchange.cpp
  lab::memory_exchange matching_lists();
  void refuse(lab::memory_exchange& e);
  lab::memory_op exchange(bool named);

  // ---- generator_accesses.cpp
  lab::update_va_mapping map_for_access();
  lab::memory_access memory_access();
  lab::word access_address(u64 part);
  lab::word access_value(u8 bytes, u64 part);

  std::mt19937_64& random_;
  lab::program p_;
  std::vector<role> roles_;
  std::vector<u32> pinned_;  ///< tables that were asked to be pinned
  std::vector<granted> mapped_;
  memory_of memory_ = memory_of::nobody;  ///< whose frames come and go
  std::vector<run> came_;
  std::vector<bool> exchangeable_;  ///< of the pages that unaligned accesses reach: those that locked ones may
  bool ldt_ = false;                ///< selectors are loaded
  bool deep_ = false;               ///< accesses go through the tables that the program loads: no MMIO in them
  std::map<std::pair<u32, u32>, lab::word> known_;  ///< what an entry may hold, by frame and slot
};

}  // namespace pvmmu::conform
