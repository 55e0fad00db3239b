#pragma once
// Between the ABI's structures and the messages of wire.proto. The only place that names both.
//
//   wire::hypercall message;
//   encode(call, message);                       // the guest's side
//
//   decoded_call decoded;                        // the hypervisor's side; kept, so that its memory is used again
//   if (auto ok = decoded.decode(message); !ok) refuse(ok.error());
//   long rc = do_hypercall(m, curr, decoded.call());
//   decoded.encode_outcome(rc, outcome);
//
//   apply_outcome(outcome, call);                // the guest's side: results into the call
//
// Decoding trusts nothing: what a structure cannot hold is refused with a text that says what was expected.

#include <array>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "proto/abi/access.h"
#include "proto/abi/domain_config.h"
#include "proto/abi/event.h"
#include "proto/abi/frame_state.h"
#include "proto/abi/hypercall.h"
#include "proto/abi/note.h"
#include "proto/abi/pte.h"
#include "wire.pb.h"

namespace pvmmu {

inline constexpr u32 protocol_version = 1;

/// Multicalls may stand in each other this deep. Xen refuses the second; a third is no message.
inline constexpr unsigned max_multicall_depth = 2;

template <class T>
using decode_result = std::expected<T, std::string>;

/// A call and the lists that it points to.
class decoded_call {
 public:
  decoded_call() = default;
  decoded_call(const decoded_call&) = delete;
  decoded_call& operator=(const decoded_call&) = delete;
  decoded_call(decoded_call&&) = default;
  decoded_call& operator=(decoded_call&&) = default;

  /// Takes over `message`, whose call it then holds. After an error it holds none.
  decode_result<void> decode(const wire::hypercall& message);

  /// Valid until the next decode.
  hypercall& call() { return call_; }

  /// What the call has written, once it has returned `result`.
  void encode_outcome(long result, wire::call_outcome& message) const;

 private:
  struct sizes;
  /// Checks everything, so that nothing can go wrong after it.
  static decode_result<void> measure(const wire::hypercall& message, unsigned depth, sizes& total);
  void reserve(const sizes& total);
  hypercall take(const wire::hypercall& message);
  hypercall take(const wire::mmu_update_call& message);
  hypercall take(const wire::mmuext_op_call& message);
  hypercall take(const wire::multicall_call& message);
  hypercall take(const wire::set_gdt_call& message);
  hypercall take(const wire::vcpu_op_call& message);
  hypercall take(const wire::grant_table_op_call& message);
  hypercall take(const wire::gnttab_get_status_frames_t& message, u32 count);
  hypercall take(const wire::memory_op_call& message);
  template <class Message>
  extent_list take_extents(const Message& message);
  xen_memory_reservation take_reservation(const wire::memory_reservation& message);

  hypercall call_;
  std::span<multicall_entry> entries_;  ///< of the outermost multicall, whatever becomes of the call while it runs
  std::vector<mmu_update_t> ureqs_;
  std::vector<mmuext_op_t> uops_;
  std::vector<u64> frames_;
  std::vector<gnttab_map_grant_ref_t> maps_;
  std::vector<gnttab_unmap_grant_ref_t> unmaps_;
  std::vector<multicall_entry> multicall_entries_;
};

// codec_memory_op.cpp
void encode(const memory_op_call& call, wire::memory_op_call& message);
void encode_outcome(const memory_op_call& call, wire::call_outcome& message);
/// How many extents all its lists have; the error: no such domain can be.
decode_result<std::size_t> count_extents(const wire::memory_op_call& message);
decode_result<void> apply_outcome(const wire::memory_op_outcome& message, hypercall& call);

void encode(const hypercall& call, wire::hypercall& message);
/// Writes results of multicall entries and `pdone` into `call`, and returns what the call returned. The error: the
/// outcome is not of such a call.
decode_result<long> apply_outcome(const wire::call_outcome& message, hypercall& call);

void encode(const access_request& request, wire::access_request& message);
decode_result<access_request> decode(const wire::access_request& message);
void encode(const access_result& result, wire::access_reply& message);
access_result decode(const wire::access_reply& message);

void encode(const machine_config& config, wire::machine_config& message);
machine_config decode(const wire::machine_config& message);
void encode(const domain_config& config, wire::create_domain_request& message);
decode_result<domain_config> decode(const wire::create_domain_request& message);
void encode(const start_info& info, wire::start_info& message);
decode_result<start_info> decode(const wire::start_info& message);

void encode(const frame_state& state, wire::frame_state& message);
decode_result<frame_state> decode(const wire::frame_state& message);
using table_contents = std::array<pte_t, entries_per_table>;
void encode(std::span<const pte_t, entries_per_table> table, wire::read_table_reply& message);
decode_result<table_contents> decode(const wire::read_table_reply& message);

void encode(const event& e, wire::event& message);
/// The event's text lies in `message`.
decode_result<event> decode(const wire::event& message);

void encode(const note& n, wire::note& message);

/// The number of a domain in a message, which has room for more.
decode_result<domid_t> decode_domid(u32 domid);

}  // namespace pvmmu
