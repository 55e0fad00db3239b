#pragma once
// What steps cost, in numbers: the columns of the matrix and the last line of each step.

#include <map>
#include <optional>

#include "tools/report/journal.h"

namespace pvmmu::tools {

struct tally {
  u64 hypercalls = 0;         ///< entries into Xen by a hypercall; a multicall is one
  u64 multicall_entries = 0;  ///< calls made from within multicalls
  u64 updates = 0;            ///< entries that were asked for: of mmu_update, or an update_va_mapping
  u64 traps = 0;              ///< stores that Xen emulated
  u64 validated = 0;          ///< entries that took a reference
  u64 devalidated = 0;        ///< entries whose reference was dropped
  u64 validated_again = 0;    ///< of tables that had been taken down in the same steps
  u64 guest_flushes = 0;      ///< that the guest asked for
  u64 xen_flushes = 0;        ///< that Xen did by itself
  u64 continuations = 0;      ///< times that a call was preempted and went on
  u64 failed_calls = 0;       ///< hypercalls, and entries of multicalls, that returned an error
  /// The lowest type count of an L1 that was one before and after and that the steps had to do with; nothing without
  /// such a table.
  std::optional<u64> lowest_l1_type_count{};
  std::vector<std::string> xen_messages{};
  std::vector<std::string> linux_messages{};

  u64 flushes() const { return guest_flushes + xen_flushes; }
};

/// Counts one step, or several as one.
class tally_taker {
 public:
  void add(const step_log& step);
  void add(const act& a);
  tally result() const;

 private:
  void add(const owned_event& e);

  struct table {
    u64 first_type = 0;  ///< type_info
    u64 last_type = 0;
    u64 lowest_count = 0;
    bool taken_down = false;
  };
  tally sum_;
  std::map<u64, table> tables_;  ///< by mfn
};

tally tally_of(const step_log& step);

/// "3 hypercalls with 4 multicall entries, 512 traps · …": what is not zero.
std::string tally_text(const tally& t);

}  // namespace pvmmu::tools
