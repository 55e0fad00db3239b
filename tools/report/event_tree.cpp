#include "tools/report/event_tree.h"

namespace pvmmu::tools {

namespace {

/// Entries that the caller claimed.
u32 claimed_entries(const hypercall& call) {
  if (const auto* c = std::get_if<mmu_update_call>(&call)) return c->count & ~MMU_UPDATE_PREEMPTED;
  if (const auto* c = std::get_if<mmuext_op_call>(&call)) return c->count & ~MMU_UPDATE_PREEMPTED;
  if (const auto* c = std::get_if<multicall_call>(&call)) return c->nr_calls;
  if (const auto* c = std::get_if<memory_op_call>(&call)) {
    if (const auto* r = std::get_if<xen_memory_reservation>(&c->arg)) return static_cast<u32>(r->nr_extents);
    if (const auto* e = std::get_if<xen_memory_exchange>(&c->arg)) return static_cast<u32>(e->in.nr_extents);
  }
  return 0;
}

class builder {
 public:
  builder(const hypercall& call, event_tree& root) : root_call_(call), root_(root) {}

  void add(const owned_event& e) {
    switch (e.kind) {
      case event_kind::call_begin: begin(); break;
      case event_kind::call_end: end(); break;
      case event_kind::entry: enter(e.slot); break;
      case event_kind::continuation: preempted(e.value); break;
      default: keep(e);
    }
  }

 private:
  /// A call that is being carried out, and the entry of it that Xen is at.
  struct frame {
    const hypercall* call;
    event_tree* node;
    event_tree* entry = nullptr;
    u32 index = 0;
  };

  void begin() {
    if (stack_.empty()) return enter_call(root_call_, root_);
    // Only a multicall makes calls, each in an entry of its own.
    const frame& outer = stack_.back();
    const auto* m = std::get_if<multicall_call>(outer.call);
    if (m == nullptr || outer.entry == nullptr || outer.index >= m->call_list.size()) return stack_.push_back(outer);
    enter_call(m->call_list[outer.index].call, *outer.entry);
  }

  /// A continued call first takes down what the last entry of the piece before has left.
  void enter_call(const hypercall& call, event_tree& node) {
    event_tree* const left_over = node.entries.empty() ? nullptr : &node.entries.rbegin()->second;
    stack_.push_back({&call, &node, left_over});
  }

  void end() {
    if (!stack_.empty()) stack_.pop_back();
  }

  void enter(u32 slot) {
    if (stack_.empty()) return;
    frame& f = stack_.back();
    f.index = f.node->base + slot;
    f.entry = &f.node->entries[f.index];
  }

  void preempted(u64 entries_left) {
    if (stack_.empty()) return;
    event_tree& node = *stack_.back().node;
    ++node.preempted;
    node.base = first_entry_of_piece(*stack_.back().call, entries_left);
  }

  void keep(const owned_event& e) {
    if (stack_.empty()) return root_.own.push_back(&e);
    // Whatever the number of entries that changed tables, Xen flushes once, after the last.
    const bool of_whole_call = e.kind == event_kind::flush && e.old == static_cast<u64>(flush_reason::table_write);
    const frame& f = stack_.back();
    (f.entry != nullptr && !of_whole_call ? f.entry : f.node)->own.push_back(&e);
  }

  const hypercall& root_call_;
  event_tree& root_;
  std::vector<frame> stack_;
};

}  // namespace

u32 first_entry_of_piece(const hypercall& call, u64 entries_left) {
  // Entries of grant operations keep their numbers.
  if (std::holds_alternative<grant_table_op_call>(call)) return 0;
  return claimed_entries(call) - static_cast<u32>(entries_left);
}

event_tree tree_of(const act& a) {
  event_tree root;
  if (a.is_call()) {
    builder b(a.call->call(), root);
    for (const owned_event& e : a.events) b.add(e);
  } else {
    for (const owned_event& e : a.events) root.own.push_back(&e);
  }
  return root;
}

}  // namespace pvmmu::tools
