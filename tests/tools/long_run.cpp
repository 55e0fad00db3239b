#include "tests/tools/long_run.h"

#include <array>
#include <cassert>

#include "proto/abi/pte.h"
#include "proto/framing.h"

namespace pvmmu::tools {
namespace {

constexpr domain_config domain{.pages = 4096, .vcpus = 2, .kernel_pages = 1024};

}  // namespace

long_run::long_run(u64 seed, xen::server_listener_factory listens)
    : machines_([this, listens = std::move(listens)](const xen::machine& m, const wire::hello_request& first) {
        machine_ = &m;
        return listens ? listens(m, first) : nullptr;
      }),
      from_(seed) {
  wire::request request;
  request.mutable_hello()->set_protocol_version(protocol_version);
  encode(machine_config{.frames = u64{1} << 14}, *request.mutable_hello()->mutable_machine());
  ask(request);
  encode(domain, *request.mutable_create_domain());
  ask(request);
  wire::reply reply;
  const bool built =
      reply.ParseFromArray(answer_.data() + frame_header_bytes, static_cast<int>(answer_.size() - frame_header_bytes));
  assert(built && reply.has_create_domain());
  info_ = decode(reply.create_domain()).value();
  ++requests_;
}

void long_run::ask(const wire::request& request) {
  request.SerializeToString(&payload_);
  answer_.clear();
  handler_.handle({reinterpret_cast<const u8*>(payload_.data()), payload_.size()}, answer_);
}

update_va_mapping_call long_run::any_mapping() {
  const u64 frame = info_.p2m.front().mfn.n + below(info_.p2m.front().frames);
  const u64 flags = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED | (below(2) ? PAGE_RW | PAGE_DIRTY : 0);
  const u64 va = info_.virt_base + (below(domain.kernel_pages) << PAGE_SHIFT);
  return {va, below(4) == 0 ? 0 : make_pte({frame}, flags), below(4) == 0 ? u64{UVMF_INVLPG} : u64{UVMF_NONE}, {}};
}

void long_run::step() {
  wire::request request;
  const auto vcpu = static_cast<vcpu_id_t>(below(8) == 0);
  if (below(3) == 0) {
    wire::access_request& access = *request.mutable_access();
    encode(access_request{.kind = access_kind::write,
                          .bytes = 8,
                          .va = info_.virt_base + (below(domain.kernel_pages) << PAGE_SHIFT) + 8 * below(64),
                          .value = below(1 << 20)},
           access);
    access.set_domid(info_.domid);
    access.set_caller("memset");
  } else {
    wire::hypercall_request& call = *request.mutable_hypercall();
    call.set_domid(info_.domid);
    call.set_vcpu(vcpu);
    call.set_caller("xen_set_pte");
    if (below(4) != 0) {
      encode(hypercall{any_mapping()}, *call.mutable_call());
    } else {
      std::array<multicall_entry, 3> list;
      for (multicall_entry& entry : list) entry.call = any_mapping();
      encode(hypercall{multicall_call{.call_list = list, .nr_calls = 3}}, *call.mutable_call());
    }
  }
  ask(request);
  ++requests_;
}

}  // namespace pvmmu::tools
