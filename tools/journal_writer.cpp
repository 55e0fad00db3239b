#include "tools/journal_writer.h"

#include <cassert>
#include <utility>

#include "hypervisor-model/machine/page_info.h"
#include "tools/report/table_levels.h"

namespace pvmmu::tools {

namespace {

/// A copy that owns its lists.
std::unique_ptr<decoded_call> copy_of(const hypercall& call) {
  wire::hypercall message;
  encode(call, message);
  auto copy = std::make_unique<decoded_call>();
  const auto decoded = copy->decode(message);
  assert(decoded.has_value());
  return copy;
}

/// What encoding a call leaves out: that pdone was written, and the results of a multicall's entries.
void copy_results(const hypercall& from, hypercall& to) {
  if (const auto* m = std::get_if<mmu_update_call>(&from)) std::get<mmu_update_call>(to).pdone = m->pdone;
  if (const auto* m = std::get_if<mmuext_op_call>(&from)) std::get<mmuext_op_call>(to).pdone = m->pdone;
  const auto* m = std::get_if<multicall_call>(&from);
  if (m == nullptr) return;
  const auto entries = std::get<multicall_call>(to).call_list;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].result = m->call_list[i].result;
    entries[i].overwritten = m->call_list[i].overwritten;
    copy_results(m->call_list[i].call, entries[i].call);
  }
}

}  // namespace

void journal_writer::end(act a) {
  a.events = std::exchange(events_, {});
  const auto type_info_of = [this](mfn_t mfn) {
    const auto known = type_info_.find(mfn.n);
    return known == type_info_.end() ? u64{0} : known->second;
  };
  // What a table was goes first.
  if (a.is_call()) add_table_levels(a.call->call(), type_info_of, a.table_levels);
  learn_types(a.events);
  if (a.is_call()) add_table_levels(a.call->call(), type_info_of, a.table_levels);
  const bool speaks = a.is_call() || a.outcome.fault || a.crashed || !a.events.empty() || a.caller.empty();
  if (step_ != nullptr && speaks) step_->entries.emplace_back(std::move(a));
}

void journal_writer::learn_types(const std::vector<owned_event>& events) {
  for (const owned_event& e : events)
    if (e.kind == event_kind::type_info && (xen::table_level(e.old) != 0 || xen::table_level(e.value) != 0))
      type_info_[e.mfn.n] = e.value;
}

void journal_writer::log_line(domid_t domid, const std::string& line) {
  if (step_ != nullptr) step_->entries.emplace_back(linux_line{domid, line});
}

void journal_writer::note_interlude(const std::string& text) {
  if (step_ != nullptr) step_->entries.emplace_back(interlude{text});
}

void journal_writer::on_event(const event& e) {
  events_.push_back({e.kind, e.slot, e.mfn, e.old, e.value, std::string(e.text)});
}

journalled_domain::journalled_domain(guest::channel_domain domain, journal_writer& writer, mfn_t initial_cr3, u32 vcpus)
    : domain_(domain), writer_(writer), cr3_(vcpus) {
  cr3_.at(0) = initial_cr3;
}

std::expected<long, guest::domain_crashed> journalled_domain::call(vcpu_id_t vcpu, hypercall& call,
                                                                   std::string_view caller) {
  poll_log();
  const auto result = domain_.call(vcpu, call, caller);
  follow_cr3();
  act a{.domid = domain_.domid(), .vcpu = vcpu, .caller = std::string(caller), .call = copy_of(call)};
  copy_results(call, a.call->call());
  a.crashed = !result;
  a.result = result.value_or(0);
  writer_.end(std::move(a));
  return result;
}

std::expected<access_result, guest::domain_crashed> journalled_domain::access(vcpu_id_t vcpu,
                                                                              const access_request& request,
                                                                              std::string_view caller) {
  poll_log();
  const auto outcome = domain_.access(vcpu, request, caller);
  act a{.domid = domain_.domid(), .vcpu = vcpu, .caller = std::string(caller), .access = request};
  a.crashed = !outcome;
  a.outcome = outcome.value_or(access_result{});
  writer_.end(std::move(a));
  return outcome;
}

void journalled_domain::poll_log() {
  if (!log_) return;
  for (const std::string& line : log_().subspan(lines_seen_)) {
    writer_.log_line(domain_.domid(), line);
    domain_.note(note_kind::console_line, 0, line);
    ++lines_seen_;
  }
}

void journalled_domain::follow_cr3() {
  for (const owned_event& e : writer_.events())
    if (e.kind == event_kind::cr3) cr3_.at(e.slot) = mfn_t{e.value};
}

}  // namespace pvmmu::tools
