// All but hypercalls: access, set-up, frames, events.

#include "proto/codec.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace pvmmu {

namespace {

/// A number as the narrower or enumerated type that it stands for, if it is at most `last`.
template <class T>
decode_result<T> at_most(const char* what, u64 value, T last) {
  const auto limit = static_cast<u64>(last);
  if (value > limit)
    return std::unexpected(std::string(what) + " " + std::to_string(value) + " is beyond " + std::to_string(limit));
  return static_cast<T>(value);
}

}  // namespace

decode_result<domid_t> decode_domid(u32 domid) { return at_most("domid", domid, std::numeric_limits<domid_t>::max()); }

void encode(const access_request& request, wire::access_request& message) {
  message.set_kind(static_cast<wire::access_request::access_kind>(request.kind));
  message.set_user_mode(request.mode == cpu_mode::user);
  message.set_bytes(request.bytes);
  message.set_va(request.va);
  message.set_value(request.value);
  message.set_expected(request.expected);
}

decode_result<access_request> decode(const wire::access_request& message) {
  const auto kind = at_most("access kind", static_cast<u32>(message.kind()), access_kind::load_selector);
  if (!kind) return std::unexpected(kind.error());
  const auto bytes = at_most("bytes", message.bytes(), u8{8});
  if (!bytes || std::popcount(*bytes) != 1)
    return std::unexpected("an access of " + std::to_string(message.bytes()) + " bytes, expected 1, 2, 4 or 8");
  if ((message.va() & PAGE_OFFSET_MASK) + *bytes > PAGE_SIZE)
    return std::unexpected("an access across the end of a page, expected one within a page");
  if (*kind == access_kind::load_selector && (message.value() > 0xffff || (message.value() & selector_ti) == 0))
    return std::unexpected("selector " + std::to_string(message.value()) +
                           ", expected one of the LDT: bit 2 set, up to 65535");
  return access_request{.kind = *kind,
                        .mode = message.user_mode() ? cpu_mode::user : cpu_mode::kernel,
                        .bytes = *bytes,
                        .va = message.va(),
                        .value = message.value(),
                        .expected = message.expected()};
}

void encode(const access_result& result, wire::access_reply& message) {
  message.set_fault(result.fault);
  message.set_vector(static_cast<u32>(result.vector));
  message.set_error_code(result.error_code);
  message.set_cr2(result.cr2);
  message.set_value(result.value);
  message.set_emulated(result.emulated);
}

access_result decode(const wire::access_reply& message) {
  return {.fault = message.fault(),
          .vector = static_cast<exception_vector>(message.vector()),
          .error_code = message.error_code(),
          .cr2 = message.cr2(),
          .value = message.value(),
          .emulated = message.emulated()};
}

void encode(const machine_config& config, wire::machine_config& message) {
  message.set_frames(config.frames);
  message.set_debug_build(config.debug_build);
  message.set_tlb(config.tlb);
}

machine_config decode(const wire::machine_config& message) {
  return {.frames = message.frames(), .debug_build = message.debug_build(), .tlb = message.tlb()};
}

void encode(const domain_config& config, wire::create_domain_request& message) {
  message.set_kind(static_cast<wire::create_domain_request::domain_kind>(config.kind));
  message.set_pages(config.pages);
  message.set_vcpus(config.vcpus);
  message.set_virt_base(config.virt_base);
  message.set_kernel_pages(config.kernel_pages);
  message.set_initrd_bytes(config.initrd_bytes);
  message.set_vm_assist_writable_pagetables(config.vm_assist_writable_pagetables);
}

decode_result<domain_config> decode(const wire::create_domain_request& message) {
  const auto kind = at_most("domain kind", static_cast<u32>(message.kind()), domain_kind::domU);
  if (!kind) return std::unexpected(kind.error());
  if (message.vcpus() == 0 || message.vcpus() > max_vcpus_per_domain)
    return std::unexpected(std::to_string(message.vcpus()) + " vCPUs, expected 1 to " +
                           std::to_string(max_vcpus_per_domain));
  return domain_config{.kind = *kind,
                       .pages = message.pages(),
                       .vcpus = message.vcpus(),
                       .virt_base = message.virt_base(),
                       .kernel_pages = message.kernel_pages(),
                       .initrd_bytes = message.initrd_bytes(),
                       .vm_assist_writable_pagetables = message.vm_assist_writable_pagetables()};
}

void encode(const start_info& info, wire::start_info& message) {
  message.set_domid(info.domid);
  message.set_nr_pages(info.nr_pages);
  message.set_vcpus(info.vcpus);
  message.set_virt_base(info.virt_base);
  message.set_mapped_pages(info.mapped_pages);
  message.set_pt_base(info.pt_base);
  message.set_nr_pt_frames(info.nr_pt_frames);
  for (const p2m_run& run : info.p2m) {
    auto& out = *message.add_p2m();
    out.set_pfn(run.pfn.n);
    out.set_mfn(run.mfn.n);
    out.set_frames(run.frames);
  }
}

decode_result<start_info> decode(const wire::start_info& message) {
  const auto domid = decode_domid(message.domid());
  if (!domid) return std::unexpected(domid.error());
  start_info info{.domid = *domid,
                  .nr_pages = message.nr_pages(),
                  .vcpus = message.vcpus(),
                  .virt_base = message.virt_base(),
                  .mapped_pages = message.mapped_pages(),
                  .pt_base = message.pt_base(),
                  .nr_pt_frames = message.nr_pt_frames(),
                  .p2m = {}};
  for (const wire::p2m_run& run : message.p2m()) info.p2m.push_back({{run.pfn()}, {run.mfn()}, run.frames()});
  return info;
}

void encode(const frame_state& state, wire::frame_state& message) {
  message.set_count_info(state.count_info);
  message.set_type_info(state.type_info);
  if (state.owner) message.set_owner(*state.owner);
}

decode_result<frame_state> decode(const wire::frame_state& message) {
  frame_state state{.count_info = message.count_info(), .type_info = message.type_info(), .owner = std::nullopt};
  if (!message.has_owner()) return state;
  const auto owner = decode_domid(message.owner());
  if (!owner) return std::unexpected(owner.error());
  state.owner = *owner;
  return state;
}

void encode(std::span<const pte_t, entries_per_table> table, wire::read_table_reply& message) {
  message.mutable_entries()->Add(table.begin(), table.end());
}

decode_result<table_contents> decode(const wire::read_table_reply& message) {
  table_contents table;
  if (message.entries().size() != static_cast<int>(table.size()))
    return std::unexpected("a table of " + std::to_string(message.entries().size()) + " entries, expected 512");
  std::ranges::copy(message.entries(), table.begin());
  return table;
}

// In messages 0 is no kind.
static_assert(static_cast<int>(event_kind::message) + 1 == wire::event::message);

void encode(const note& n, wire::note& message) {
  message.set_kind(static_cast<wire::note::note_kind>(n.kind));
  message.set_domid(n.domid);
  message.set_vcpu(n.vcpu);
  message.set_text(n.text);
  message.set_mfn(n.mfn.n);
}

void encode(const event& e, wire::event& message) {
  message.set_kind(static_cast<wire::event::event_kind>(static_cast<int>(e.kind) + 1));
  message.set_slot(e.slot);
  message.set_mfn(e.mfn.n);
  message.set_old(e.old);
  message.set_value(e.value);
  message.set_text(e.text.data(), e.text.size());
}

decode_result<event> decode(const wire::event& message) {
  const u64 number = static_cast<u32>(message.kind()) - u64{1};  // 0 becomes beyond everything
  const auto kind = at_most("event kind", number, event_kind::message);
  if (!kind) return std::unexpected(kind.error());
  return event{.kind = *kind,
               .slot = message.slot(),
               .mfn = {message.mfn()},
               .old = message.old(),
               .value = message.value(),
               .text = message.text()};
}

}  // namespace pvmmu
