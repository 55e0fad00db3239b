#pragma once
// One piece of a recording that was made again in the model: what was recorded of it, and what the model did.

#include "recording.pb.h"

#include <optional>
#include <string>
#include <vector>

#include "hypervisor-model/ro_page_fault.h"
#include "proto/abi/pte.h"

namespace pvmmu::tools {

/// An entry that holds something else than what was recorded.
struct other_entry {
  mfn_t table;
  unsigned slot = 0;
  pte_t found = 0;
  pte_t expected = 0;
};

struct played_piece {
  u64 number = 0;                            ///< in the recording, from 1
  const recording::piece* asked = nullptr;   ///< as recorded
  const recording::piece* rest = nullptr;    ///< goes on with it; nullptr: it came to its end
  std::vector<other_entry> other_entries{};  ///< of tables in use, before it or before an entry of its multicall
  u64 accessed_dirty_adopted = 0;            ///< entries whose A or D bit was taken from the recording

  bool of_model = false;  ///< a whole call, not a piece of one
  bool crashed = false;   ///< the domain runs no more

  // Of a call. Entries that a recording leaves out stand in `call` and `expected` with those that it has.
  wire::hypercall call{};
  wire::call_outcome expected{};
  wire::call_outcome found{};
  wire::hypercall left_with{};   ///< what the model would go on with, where there is a rest
  u64 multicall_entries = 0;     ///< that the model came to, without those left out
  bool truly_preempted = false;  ///< at the recording's word

  /// Of an emulated write; nothing: what it writes to is no L1 of the domain.
  std::optional<xen::ptwr_answer> written{};
  wire::access_reply accessed{};  ///< of an access
  domid_t created = 0;            ///< of a domain that is built
};

/// One way in which the model is not as recorded.
struct piece_difference {
  enum class kind : u8 { result, table_entry };
  kind is = kind::result;
  std::string text;
};

std::vector<piece_difference> differences_of(const played_piece& played);

/// Adds the entries of a table that are not as expected, but for accessed and dirty bits: the processor sets them,
/// which no call shows.
void add_other_entries(mfn_t table, const u64* found, const u64* expected, std::vector<other_entry>& others);
/// "mfn 0x403 slot 0 at the end: 0x404167, expected 0x404165"
std::string describe(const other_entry& entry, std::string_view when);

}  // namespace pvmmu::tools
