#pragma once
// What happened when a scenario ran, in memory: for each step the hypercalls, traps and faults in their order, with the
// events that each caused, the lines that kernels logged, and what was not as expected. Reports and the matrix are made
// from it alone.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/codec.h"
#include "tools/scenario.h"

namespace pvmmu::tools {

/// An event that owns its text.
struct owned_event {
  event_kind kind{};
  u32 slot = 0;
  mfn_t mfn{};
  u64 old = 0;
  u64 value = 0;
  std::string text;
};

/// A hypercall, or a load or store, and what came of it.
struct act {
  domid_t domid = 0;
  vcpu_id_t vcpu = 0;
  std::string caller;                    ///< the kernel function that did it; empty for the scenario's own
  std::unique_ptr<decoded_call> call{};  ///< with its results; nullptr for an access
  access_request access{};
  bool crashed = false;                    ///< the domain crashed: there is no result
  long result = 0;                         ///< of the call
  access_result outcome{};                 ///< of the access
  std::map<u64, unsigned> table_levels{};  ///< of the frames whose entries the call updates: mfn → 1 to 4
  std::vector<owned_event> events{};

  bool is_call() const { return call != nullptr; }
  /// A store that Xen emulated.
  bool is_trap() const { return !is_call() && outcome.emulated; }
};

/// A line that a guest's kernel logged.
struct linux_line {
  domid_t domid = 0;
  std::string text;
};

/// Steps come in between, or are over.
struct interlude {
  std::string text;
};

/// Something that is not as expected.
struct finding {
  std::string where;  ///< file:line:column
  std::string what;   ///< the field, or what went wrong
  std::string expected;
  std::string got;
};

struct step_log {
  std::string note;    ///< the scenario's own words
  std::string action;  ///< "mremap 0x200000000000 → 0x300000000000, 2 MiB"
  std::string where;   ///< file:line:column
  bool measured = false;
  u64 expectations = 0;  ///< how many fields the scenario expects
  std::vector<std::variant<act, linux_line, interlude>> entries;
  std::vector<finding> findings;
};

/// An item of a kernel's profile that is not as that kernel has it.
struct changed_item {
  std::string name;
  std::string value;
  std::string of_profile;
};

/// Who takes part, as reports introduce them.
struct domain_log {
  domid_t domid = 0;
  domain_kind kind{};
  u64 pages = 0;  ///< frames
  u32 vcpus = 1;
  std::string kernel{};  ///< profile; empty: none
  std::vector<changed_item> items{};
  u32 nr_cpus = 0;
  bool split_ptlocks = false;
};

struct journal {
  std::string title;
  std::string file;
  machine_config machine;
  std::vector<domain_log> domains;
  std::map<u64, std::string> frame_names;  ///< mfn → the scenario's name for it
  std::vector<step_log> steps;

  u64 count_findings() const {
    u64 n = 0;
    for (const auto& s : steps) n += s.findings.size();
    return n;
  }
};

/// Whether a call, or one of a multicall's entries, returned an error.
bool failed(const act& a);

/// "mmu_update" and so on; "emulated_pte_write" for a trap; "" for other accesses.
std::string_view act_name(const act& a);

}  // namespace pvmmu::tools
