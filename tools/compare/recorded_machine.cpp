#include "tools/compare/recorded_machine.h"

#include <stdexcept>
#include <utility>

#include "guest-pv/pgtable.h"
#include "hypervisor-model/domain_builder.h"
#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"
#include "proto/codec.h"

namespace pvmmu::compare {
namespace {

start_info built(xen::machine& m, const domain_config& config) {
  auto info = xen::build_domain(m, config);
  if (!info) throw std::invalid_argument(info.error());
  return *std::move(info);
}

tools::table_words words_of(const xen::machine& m, mfn_t table) {
  tools::table_words words;
  std::copy_n(m.words(table), entries_per_table, words.begin());
  return words;
}

bool is_table(u64 type_info) { return xen::table_level(type_info) != 0 && (type_info & xen::PGT_count_mask) != 0; }

}  // namespace

recorded_machine::recorded_machine(const domain_config& config)
    : m_(machine_config{}),
      info_(built(m_, config)),
      p2m_(info_.p2m, info_.nr_pages),
      d_(*m_.find_domain(info_.domid)) {
  m_.listen(this);
}

void recorded_machine::begin() {
  stream_ = {};
  for (const auto& vcpu : d_.vcpus) {
    auto& roots = stream_.roots.emplace_back();
    roots.set_kernel_mfn(vcpu->guest_table.n);
    roots.set_user_mfn(vcpu->guest_table_user.n);
  }
  for (const p2m_run& run : info_.p2m) {
    for (mfn_t mfn = run.mfn; mfn < run.mfn + run.frames; ++mfn) {
      const u64 type_info = m_.page(mfn).type_info;
      if (is_table(type_info)) stream_.tables.push_back({mfn, xen::table_level(type_info), words_of(m_, mfn)});
    }
  }
}

void recorded_machine::on_event(const event& e) {
  if (e.kind == event_kind::validated) stream_.entries_validated += e.value;
  if (e.kind != event_kind::type_info || !is_table(e.value) || is_table(e.old)) return;
  if ((e.value & xen::PGT_validated) != 0) return;
  *piece_.add_contents()->mutable_table() = tools::encode_table(e.mfn, words_of(m_, e.mfn));
}

recording::piece& recorded_machine::add_piece(vcpu_id_t vcpu, std::string_view caller) {
  piece_.set_vcpu(vcpu);
  piece_.add_callers(std::string(caller));
  return stream_.calls.emplace_back(stream_.calls.size() + 1, std::exchange(piece_, {})).piece;
}

std::expected<long, guest::domain_crashed> recorded_machine::call(vcpu_id_t vcpu, hypercall& call,
                                                                  std::string_view caller) {
  if (d_.crashed) return std::unexpected(guest::domain_crashed{});
  piece_.Clear();
  encode(call, *piece_.mutable_call());  // beforehand: a call that was continued comes back with what was left
  const auto* batch = std::get_if<multicall_call>(&call);
  const std::span<const multicall_entry> entries = batch ? batch->call_list : std::span<multicall_entry>{};
  const long result = xen::do_hypercall(m_, *d_.vcpus[vcpu], call);
  if (d_.crashed) return std::unexpected(guest::domain_crashed{});
  recording::piece& piece = add_piece(vcpu, caller);
  piece.mutable_outcome()->set_result(result);
  for (const multicall_entry& e : entries) piece.mutable_outcome()->add_entries()->set_result(e.result);
  heard_(vcpu);
  return result;
}

std::expected<access_result, guest::domain_crashed> recorded_machine::access(vcpu_id_t vcpu,
                                                                             const access_request& request,
                                                                             std::string_view caller) {
  if (d_.crashed) return std::unexpected(guest::domain_crashed{});
  piece_.Clear();
  const access_result result = xen::guest_access(m_, *d_.vcpus[vcpu], request);
  if (d_.crashed) return std::unexpected(guest::domain_crashed{});
  if (!result.emulated) return result;
  recording::emulated_write& write = *add_piece(vcpu, caller).mutable_write();
  const u64 offset = request.va - guest::PAGE_OFFSET;
  write.set_va(request.va);
  write.set_maddr(mfn_to_maddr(p2m_.pfn_to_mfn({offset >> PAGE_SHIFT}), offset & PAGE_OFFSET_MASK).bytes);
  write.set_bytes(request.bytes);
  write.set_value(request.value);
  if (request.kind != access_kind::write) write.set_expected(result.value);
  heard_(vcpu);
  return result;
}

}  // namespace pvmmu::compare
