#pragma once
// Watches the model at work and tells an outcome_table which operation came to what. An errno belongs to the entry at
// which a batch stopped; what that entry was aimed at is only known at the moment at which it is handled.

#include <optional>
#include <string_view>

#include "hypervisor-model/domain.h"
#include "proto/abi/access.h"
#include "proto/abi/hypercall.h"
#include "tools/conform/outcome_table.h"

namespace pvmmu::conform {

class outcome_recorder final : public event_sink {
 public:
  /// Listens to the machine while it lives.
  outcome_recorder(xen::machine& m, outcome_table& table) : m_(m), table_(table) { m_.listen(this); }
  ~outcome_recorder() override { m_.listen(nullptr); }
  outcome_recorder(const outcome_recorder&) = delete;
  outcome_recorder& operator=(const outcome_recorder&) = delete;

  /// The call that comes next; it is looked at while it runs.
  void begin(const hypercall& call) { outer_ = &call; }
  void on_event(const event& e) override;

  /// The name of a load or store, or of a selector's load; asked before it is made, because it may change what it is
  /// aimed at.
  std::string_view name_access(const xen::vcpu& curr, const access_request& r) const;
  void count_access(std::string_view name, const access_result& r);

 private:
  const hypercall& current() const { return depth_ == 2 ? *inner_ : *outer_; }
  void begin_piece();
  void begin_entry(u32 i);
  void end_piece(s64 result);
  void count_entry(std::string_view outcome);
  void count_done_entry();
  void count_grant(const grant_table_op_call& call);
  void count_memory_op(const memory_op_call& call, s64 result);
  std::string_view name_selector(const xen::vcpu& curr, u64 selector) const;

  xen::machine& m_;
  outcome_table& table_;
  const hypercall* outer_ = nullptr;
  const hypercall* inner_ = nullptr;  ///< the entry of a multicall
  unsigned depth_ = 0;
  bool continued_ = false;                 ///< the current call is not in its first piece
  bool tells_foreigndom_ = false;          ///< it is the quirk that returns foreigndom
  std::string_view call_name_;             ///< of a call that is no batch
  bool began_ = false;                     ///< it has looked at an entry
  u64 index_ = 0;                          ///< of that entry
  u64 first_extent_ = 0;                   ///< of a memory_op
  bool used_ldt_ = false;                  ///< pages of the LDT were in use when the entry began
  std::optional<std::string_view> entry_;  ///< that is being handled, or was when the piece ended
};

}  // namespace pvmmu::conform
