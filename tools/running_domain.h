#pragma once
// A domain while a scenario runs: its kernel, if it has one, its address spaces by name, and the ways from names to
// frames and addresses.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "guest-pv/guest_stopped.h"
#include "guest-pv/kernel.h"
#include "tools/address_spaces.h"
#include "tools/bare_domain.h"
#include "tools/journal_writer.h"
#include "tools/trace_notes.h"

namespace pvmmu::tools {

/// What the command line changes in every kernel of a scenario.
struct kernel_override {
  const guest::kernel_profile* profile = nullptr;  ///< in place of the scenario's, with its items
  u32 nr_cpus = 0;                                 ///< CONFIG_NR_CPUS; 0: as the scenario says
  std::vector<std::string> items{};                ///< NAME=VALUE, all known; they win over the scenario's
};

class running_domain {
 public:
  /// Builds the domain and boots its kernel. Throws guest::request_refused where it cannot be built.
  running_domain(guest::channel_client& client, journal_writer& writer, const scenario::domain& spec,
                 const kernel_override& override);

  /// For calls made by hand: beside a kernel they go through it, so that it knows what may have changed.
  guest::hypercalls& xen() { return kernel_ ? kernel_->by_hand() : static_cast<guest::hypercalls&>(*xen_); }
  guest::kernel* kernel() { return kernel_.get(); }
  domid_t domid() const { return info_.domid; }
  domain_log description() const;
  void poll_log() { xen_->poll_log(); }

  address_spaces& spaces() { return spaces_; }

  // ---- frames
  std::optional<mfn_t> pfn_to_mfn(pfn_t pfn) const;
  std::optional<pfn_t> mfn_to_pfn(mfn_t mfn) const;
  /// The table of `level` that translates `va`, under the tables loaded on `vcpu` or those of the address space `mm`.
  std::optional<mfn_t> table_of(vcpu_id_t vcpu, unsigned level, u64 va, const std::string& mm);
  /// The frame that `vcpu` finds at `va`.
  std::optional<mfn_t> frame_at(vcpu_id_t vcpu, u64 va);
  /// Where the kernel has a frame of this domain mapped.
  std::optional<u64> kernel_va(mfn_t mfn) const;
  /// A zeroed frame that the kernel has mapped writable; nothing if there is none left.
  std::optional<mfn_t> alloc_frame();
  /// nullptr where a kernel runs.
  bare_domain* bare() { return bare_ ? &*bare_ : nullptr; }

  std::optional<guest::guest_stopped::reason> stopped;  ///< nothing runs here any more

 private:
  std::optional<mfn_t> walk(mfn_t l4, u64 va, unsigned down_to_level);

  guest::channel_client& client_;
  domain_config config_;
  start_info info_;
  guest::kernel_profile profile_;  ///< of the kernel, items set
  std::unique_ptr<journalled_domain> xen_;
  std::optional<trace_notes> traced_;
  std::unique_ptr<guest::kernel> kernel_;
  address_spaces spaces_;
  std::optional<bare_domain> bare_;
};

}  // namespace pvmmu::tools
