#pragma once
// Writes the journal while guests run: stands between a guest and the channel, and hears the hypervisor's events.

#include <functional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "guest-pv/channel_client.h"
#include "tools/report/journal.h"

namespace pvmmu::tools {

class journal_writer final : public event_sink {
 public:
  /// What happens from now on is of this step; nullptr: kept in no journal.
  void start_step(step_log* step) { step_ = step; }
  /// While this lives, what happens is kept in no journal.
  class pause {
   public:
    explicit pause(journal_writer& writer) : writer_(writer), step_(std::exchange(writer.step_, nullptr)) {}
    ~pause() { writer_.step_ = step_; }
    pause(const pause&) = delete;
    pause& operator=(const pause&) = delete;

   private:
    journal_writer& writer_;
    step_log* step_;
  };

  /// An act is over; the events heard since the last one are its own. It is kept where it says something: calls, traps,
  /// faults, whatever caused an event, and what the scenario itself does.
  void end(act a);
  const std::vector<owned_event>& events() const { return events_; }
  /// The type_info of a frame as it is before anything happens.
  void know_type(mfn_t mfn, u64 type_info) { type_info_[mfn.n] = type_info; }
  void log_line(domid_t domid, const std::string& line);
  void note_interlude(const std::string& text);

  void on_event(const event& e) override;

 private:
  step_log* step_ = nullptr;
  void learn_types(const std::vector<owned_event>& events);

  std::vector<owned_event> events_;
  std::unordered_map<u64, u64> type_info_;  ///< mfn → type_info, of all frames that were or are page tables
};

/// A domain whose calls and accesses are journalled. Knows which tables its vCPUs have loaded.
class journalled_domain final : public guest::hypercalls {
 public:
  /// vCPU 0 starts on `initial_cr3`.
  journalled_domain(guest::channel_domain domain, journal_writer& writer, mfn_t initial_cr3, u32 vcpus);

  std::expected<long, guest::domain_crashed> call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) override;
  std::expected<access_result, guest::domain_crashed> access(vcpu_id_t vcpu, const access_request& request,
                                                             std::string_view caller) override;

  /// Where the kernel's log is, so that its new lines stand before the calls that follow them.
  void follow_log(std::function<std::span<const std::string>()> log) { log_ = std::move(log); }
  /// Takes over the lines logged since the last time.
  void poll_log();

  /// The kernel's L4 on a vCPU; 0: none.
  mfn_t cr3(vcpu_id_t vcpu) const { return cr3_.at(vcpu); }

 private:
  void follow_cr3();

  guest::channel_domain domain_;
  journal_writer& writer_;
  std::function<std::span<const std::string>()> log_;
  std::size_t lines_seen_ = 0;
  std::vector<mfn_t> cr3_;
};

}  // namespace pvmmu::tools
