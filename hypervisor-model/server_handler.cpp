#include "hypervisor-model/server_handler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <ranges>

#include "hypervisor-model/domain_builder.h"
#include "hypervisor-model/guest_access.h"
#include "hypervisor-model/hypercall.h"
#include "hypervisor-model/requested_preemption.h"
#include "proto/framing.h"

namespace pvmmu::xen {

namespace {

/// Holds the messages of nearly every request, so that the heap is seldom asked.
constexpr std::size_t first_block_bytes = std::size_t{1} << 16;
constexpr int max_frames_per_query = 65536;

google::protobuf::ArenaOptions arena_options(std::vector<char>& first_block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = first_block.data();
  options.initial_block_size = first_block.size();
  return options;
}

template <class... Args>
std::unexpected<refusal> refused(wire::error::error_code code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(refusal{code, fmt::format(format, std::forward<Args>(args)...)});
}

std::unexpected<refusal> malformed(const std::string& why) {
  return std::unexpected(refusal{wire::error::malformed_request, why});
}

/// Whether it may change the machine.
bool changes_state(wire::request::WhatCase what) {
  using enum wire::request::WhatCase;
  return what == kCreateDomain || what == kDestroyDomain || what == kHypercall || what == kAccess;
}

void tell_destroyed(server_listener& listener, domid_t domid) {
  wire::request request;
  request.mutable_destroy_domain()->set_domid(domid);
  wire::reply reply;
  reply.mutable_destroy_domain();
  listener.on_request(request, reply);
}

/// Lets `sink` hear the machine for as long as it lives.
class listening {
 public:
  listening(machine& m, event_sink* sink) : m_(m) { m_.listen(sink); }
  ~listening() { m_.listen(nullptr); }
  listening(const listening&) = delete;
  listening& operator=(const listening&) = delete;

 private:
  machine& m_;
};

}  // namespace

server_handler::server_handler(server_machines& machines, const session_limits& limits)
    : machines_(machines), limits_(limits), first_block_(first_block_bytes), arena_(arena_options(first_block_)) {}

server_handler::~server_handler() {
  // Nobody sees a machine that goes with its last session.
  const bool others_stay = served_ && served_.use_count() > 1;
  for (const domid_t domid : domains_ | std::views::keys) {
    machine_->remove_domain(domid);
    if (listener_ && others_stay) tell_destroyed(*listener_, domid);
  }
}

void server_handler::handle(std::span<const u8> payload, std::vector<u8>& out) {
  arena_.Reset();
  const auto request = google::protobuf::Arena::CreateMessage<wire::request>(&arena_);
  server_reply reply(arena_, out, limits_.max_event_bytes_per_request);
  const bool parsed = request->ParseFromArray(payload.data(), static_cast<int>(payload.size()));
  if (listener_ && parsed)
    for (const wire::note& note : request->notes()) listener_->on_note(note);
  const result<void> done =
      parsed ? dispatch(*request, reply) : malformed("these bytes are no pvmmu.wire.request: see wire.proto");
  if (!done) reply.refuse(done.error());
  if (listener_ && done && changes_state(request->what_case())) listener_->on_request(*request, reply.message());
  reply.finish();
}

void server_handler::refuse(const refusal& why, std::vector<u8>& out) {
  arena_.Reset();
  server_reply reply(arena_, out, 0);
  reply.refuse(why);
  reply.finish();
}

server_handler::result<void> server_handler::dispatch(const wire::request& request, server_reply& reply) {
  if (request.what_case() == wire::request::WHAT_NOT_SET)
    return refused(wire::error::unknown_request,
                   "no request that protocol version {} knows: expected hello, create_domain, destroy_domain, "
                   "hypercall, access, query_frames, read_table or read_counters",
                   protocol_version);
  if (request.has_hello()) return serve(request.hello(), reply);
  if (!machine_) return refused(wire::error::wrong_order, "hello is expected before anything else");
  switch (request.what_case()) {
    case wire::request::kCreateDomain: return serve(request.create_domain(), reply);
    case wire::request::kDestroyDomain: return serve(request.destroy_domain(), reply);
    case wire::request::kHypercall: return serve(request.hypercall(), reply);
    case wire::request::kAccess: return serve(request.access(), reply);
    case wire::request::kQueryFrames: return serve(request.query_frames(), reply);
    case wire::request::kReadTable: return serve(request.read_table(), reply);
    default: return serve(request.read_counters(), reply);
  }
}

server_handler::result<void> server_handler::serve(const wire::hello_request& request, server_reply& reply) {
  if (request.protocol_version() != protocol_version)
    return refused(wire::error::wrong_version, "protocol version {} is spoken here, the other side speaks {}",
                   protocol_version, request.protocol_version());
  if (machine_) return refused(wire::error::wrong_order, "a second hello, one is expected");
  auto served = machines_.join(request);
  if (!served) return refused(wire::error::machine_refused, "{}", served.error());
  served_ = *std::move(served);
  machine_ = &served_->m;
  listener_ = served_->listener.get();
  events_ = request.events();
  wire::hello_reply& answer = *reply.message().mutable_hello();
  answer.set_protocol_version(protocol_version);
  encode(machine_->config(), *answer.mutable_machine());
  answer.set_recorded(listener_ != nullptr);
  return {};
}

server_handler::result<void> server_handler::serve(const wire::create_domain_request& request, server_reply& reply) {
  const auto config = decode(request);
  if (!config) return malformed(config.error());
  if (domains_.size() >= limits_.max_domains)
    return refused(wire::error::limit_reached, "a session may have {} domains at a time", limits_.max_domains);
  if (const u64 left = limits_.max_pages - pages_in_use(); config->pages > left)
    return refused(wire::error::limit_reached, "a domain of {} pages, this session may have {} more of its {}",
                   config->pages, left, limits_.max_pages);
  const auto info = build_domain(*machine_, *config);
  if (!info) return refused(wire::error::domain_refused, "{}", info.error());
  domains_.emplace(info->domid, config->pages);
  encode(*info, *reply.message().mutable_create_domain());
  return {};
}

server_handler::result<void> server_handler::serve(const wire::destroy_domain_request& request, server_reply& reply) {
  const auto d = own_domain(request.domid());
  if (!d) return std::unexpected(d.error());
  const listening events(*machine_, events_ ? &reply : nullptr);
  domains_.erase((*d)->domid);
  machine_->remove_domain((*d)->domid);
  reply.message().mutable_destroy_domain();
  return {};
}

server_handler::result<void> server_handler::serve(const wire::hypercall_request& request, server_reply& reply) {
  const auto curr = own_vcpu(request.domid(), request.vcpu());
  if (!curr) return std::unexpected(curr.error());
  if (auto ok = call_.decode(request.call()); !ok) return malformed(ok.error());
  const auto& checks = request.preempted_checks();
  if ((!checks.empty() && checks[0] == 0) || std::ranges::adjacent_find(checks, std::greater_equal{}) != checks.end())
    return malformed("preempted_checks are counted from 1, and ascending");
  const listening events(*machine_, events_ ? &reply : nullptr);
  const requested_preemption preempted(*machine_, {checks.data(), static_cast<std::size_t>(checks.size())});
  domain& d = *(*curr)->dom;
  const long rc = d.crashed ? 0 : do_hypercall(*machine_, **curr, call_.call());
  // Not before the call: what the call's events fill until then are frames without an outcome.
  wire::hypercall_reply& answer = *reply.message().mutable_hypercall();
  answer.set_crashed(d.crashed);
  if (!d.crashed) call_.encode_outcome(rc, *answer.mutable_outcome());
  return {};
}

server_handler::result<void> server_handler::serve(const wire::access_request& request, server_reply& reply) {
  const auto curr = own_vcpu(request.domid(), request.vcpu());
  if (!curr) return std::unexpected(curr.error());
  const auto access = decode(request);
  if (!access) return malformed(access.error());
  const listening events(*machine_, events_ ? &reply : nullptr);
  domain& d = *(*curr)->dom;
  const access_result done = d.crashed ? access_result{} : guest_access(*machine_, **curr, *access);
  wire::access_reply& answer = *reply.message().mutable_access();
  answer.set_crashed(d.crashed);
  if (!d.crashed) encode(done, answer);
  return {};
}

server_handler::result<void> server_handler::serve(const wire::query_frames_request& request, server_reply& reply) {
  if (request.mfns().size() > max_frames_per_query)
    return refused(wire::error::limit_reached, "{} frames in one query, at most {} are expected", request.mfns().size(),
                   max_frames_per_query);
  for (const u64 mfn : request.mfns()) {
    if (mfn >= machine_->config().frames)
      return refused(wire::error::no_such_frame, "mfn {:#x} is beyond the machine's {:#x} frames", mfn,
                     machine_->config().frames);
  }
  wire::query_frames_reply& answer = *reply.message().mutable_query_frames();
  for (const u64 mfn : request.mfns()) {
    const page_info& pg = machine_->page({mfn});
    const domain* owner = machine_->page_owner(pg);
    encode({.count_info = pg.count_info,
            .type_info = pg.type_info,
            .owner = owner ? std::optional(owner->domid) : std::nullopt},
           *answer.add_frames());
  }
  return {};
}

server_handler::result<void> server_handler::serve(const wire::read_table_request& request, server_reply& reply) {
  const mfn_t mfn{request.mfn()};
  const domain* owner = mfn.n < machine_->config().frames ? machine_->page_owner(machine_->page(mfn)) : nullptr;
  if (!owner || !domains_.contains(owner->domid))
    return refused(wire::error::no_such_frame, "mfn {:#x} belongs to no domain of this session", mfn.n);
  encode(std::span<const pte_t, entries_per_table>(machine_->words(mfn), entries_per_table),
         *reply.message().mutable_read_table());
  return {};
}

server_handler::result<void> server_handler::serve(const wire::read_counters_request&, server_reply& reply) {
  static constexpr std::array<std::pair<const char*, u64 counters::*>, 13> names{{
      {"calls_to_mmu_update", &counters::calls_to_mmu_update},
      {"num_page_updates", &counters::num_page_updates},
      {"calls_to_mmuext_op", &counters::calls_to_mmuext_op},
      {"num_mmuext_ops", &counters::num_mmuext_ops},
      {"calls_to_update_va", &counters::calls_to_update_va},
      {"calls_from_multicall", &counters::calls_from_multicall},
      {"ptwr_emulations", &counters::ptwr_emulations},
      {"writable_mmu_updates", &counters::writable_mmu_updates},
      {"need_flush_tlb_flush", &counters::need_flush_tlb_flush},
      {"continuations", &counters::continuations},
      {"entries_validated", &counters::entries_validated},
      {"entries_devalidated", &counters::entries_devalidated},
      {"flushes", &counters::flushes},
  }};
  static_assert(sizeof(counters) == names.size() * sizeof(u64), "each counter has its name");
  for (const auto& [name, member] : names) {
    wire::counter& counter = *reply.message().mutable_read_counters()->add_counters();
    counter.set_name(name);
    counter.set_value(machine_->perfc.*member);
  }
  return {};
}

server_handler::result<domain*> server_handler::own_domain(u32 domid) {
  const auto known = decode_domid(domid);
  if (known && domains_.contains(*known)) return machine_->find_domain(*known);
  return refused(wire::error::no_such_domain, "domain {} is none of this session's, which are [{}]", domid,
                 fmt::join(domains_ | std::views::keys, ", "));
}

server_handler::result<vcpu*> server_handler::own_vcpu(u32 domid, u32 vcpu_id) {
  const auto d = own_domain(domid);
  if (!d) return std::unexpected(d.error());
  if (vcpu_id < (*d)->vcpus.size()) return (*d)->vcpus[vcpu_id].get();
  return refused(wire::error::no_such_vcpu, "vCPU {} of domain {}, which has {}", vcpu_id, domid, (*d)->vcpus.size());
}

u64 server_handler::pages_in_use() const {
  u64 pages = 0;
  for (const u64 of_domain : domains_ | std::views::values) pages += of_domain;
  return pages;
}

}  // namespace pvmmu::xen
