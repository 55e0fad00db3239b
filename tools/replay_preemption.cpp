#include "tools/replay_preemption.h"

#include "proto/abi/hypercall.h"

namespace pvmmu::tools {

void recorded_preemption::begin_piece(std::optional<preempted_at> where) {
  where_ = where;
  running_.clear();
  fired_ = false;
}

bool recorded_preemption::check() {
  fired_ = fired_ || (where_ && is_the_place());
  return fired_;
}

/// The check before the entry with which the rest begins, or one while that entry or the one before is being handled:
/// an entry that is left halfway is done again, or leaves nothing to do but to drop a table.
bool recorded_preemption::is_the_place() const {
  if (running_.empty()) return false;
  u32 entries_done = where_->entries;
  if (running_.front().number == HYPERVISOR_multicall) {
    const u32 begun = running_.front().begun;
    if (running_.size() == 1) return !where_->in_multicall && begun == entries_done;
    if (!where_->in_multicall || begun != entries_done + 1) return false;
    entries_done = *where_->in_multicall;
  }
  return running_.back().begun == entries_done || running_.back().begun == entries_done + 1;
}

void recorded_preemption::on_event(const event& e) {
  switch (e.kind) {
    case event_kind::call_begin: running_.push_back({e.value}); break;
    case event_kind::call_end: running_.pop_back(); break;
    case event_kind::entry:
      running_.back().begun = e.slot + 1;
      if (running_.back().number == HYPERVISOR_multicall) listener_.before_multicall_entry(e.slot);
      break;
    default: break;
  }
}

}  // namespace pvmmu::tools
