#pragma once
// What frames are in a run, in words that mean the same in another run, where they have other numbers:
//
//   frame_roles roles(names);
//   roles.begin(machine);                        // the state before the first step
//   roles.follow(machine, act);                  // behind each step, in order
//   roles.neutral("L2 mfn 0x233[0]  mfn 0x23a P|RW|US → 0")
//                                                // "L2 <L2 at 0x200000000000 of L4 1>[0]  <L1 at …> P|RW|US → 0"
//
// A frame that the scenario has a name for has that name. A page table is told by the address that it translates first,
// in the place where it was hooked in first: moved, it stays the same one, until the frame becomes something else. L4s
// are counted as they are spoken of; the kernel's tables are those of all. All other frames are "a page": where they
// lie, the table's entry says.

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "hypervisor-model/machine/machine.h"
#include "tools/report/act_text.h"

namespace pvmmu::tools {

class frame_roles {
 public:
  explicit frame_roles(frame_names names) : names_(std::move(names)) {}

  /// The page tables that are there before the first step.
  void begin(const xen::machine& m);
  /// What `a` made of them; `m` stands behind it.
  void follow(const xen::machine& m, const act& a);

  /// "L1 at 0x200000000000 of L4 1", "… of an L4" of which nobody spoke, "L1" while it is hooked in nowhere, "\"l1\"",
  /// "a page".
  std::string role(mfn_t mfn) const;
  /// A line of act_text with frames by what they are. Of the kernel's direct map, whose addresses are frames, too, only
  /// that it is it; of words that Xen and kernels print, long numbers are left out.
  std::string neutral(const text_line& line);
  const frame_names& names() const { return names_; }

 private:
  /// The entry that a table was hooked into first.
  struct hook {
    mfn_t table{};
    unsigned slot = 0;
    unsigned level = 0;  ///< of the entry's table
  };
  struct place {
    mfn_t l4{};
    u64 va = 0;
  };

  void met(mfn_t mfn, u64 type_info);
  void forget(mfn_t mfn);
  void hooked(const xen::machine& m, mfn_t table, unsigned level);
  void hooked(mfn_t table, unsigned level, unsigned slot, pte_t entry);
  std::optional<place> place_of(mfn_t mfn) const;
  bool is_of_direct_map(mfn_t table) const;
  std::size_t skip_frame(const std::string& text, std::size_t at, std::string& to);

  frame_names names_;
  std::unordered_map<mfn_t, unsigned> levels_;  ///< of frames that are tables
  std::unordered_map<mfn_t, hook> hooks_;
  std::unordered_map<mfn_t, u64> l4s_;  ///< as they are counted; 0: nobody spoke of it yet
  std::vector<mfn_t> ended_;            ///< by the last step: what they were is told until the next
  u64 last_l4_ = 0;
};

}  // namespace pvmmu::tools
