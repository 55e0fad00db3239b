#include "tools/timeline/act_of.h"

#include <cassert>

#include "tools/recording_callers.h"

namespace pvmmu::tools {
namespace {

std::unique_ptr<decoded_call> call_with_results(const played_piece& played) {
  auto call = std::make_unique<decoded_call>();
  const auto decoded = call->decode(played.call);
  assert(decoded.has_value() && "it was decoded to be played");
  if (played.crashed) return call;
  const auto applied = apply_outcome(played.found, call->call());
  assert(applied.has_value() && "the outcome is of this call");
  return call;
}

access_request request_of(const recording::emulated_write& write) {
  return {.kind = write.has_expected() ? access_kind::cmpxchg : access_kind::write,
          .bytes = static_cast<u8>(write.bytes()),
          .va = write.va(),
          .value = write.value(),
          .expected = write.expected()};
}

/// A store that Xen refuses is the guest's fault, which met a present, read-only mapping.
access_result outcome_of(const recording::emulated_write& write, const xen::ptwr_answer& answer) {
  if (answer.result == xen::ptwr_result::unhandleable)
    return {.fault = true, .error_code = PFEC_page_present | PFEC_write_access, .cr2 = write.va()};
  return {.value = write.has_expected() ? answer.old : 0, .emulated = true};
}

}  // namespace

act act_of(const played_piece& played) {
  const recording::piece& piece = *played.asked;
  act a{.domid = static_cast<domid_t>(piece.domid()), .vcpu = piece.vcpu(), .caller = callers_of(piece)};
  a.crashed = played.crashed;
  if (piece.has_access()) {
    a.access = decode(piece.access()).value();
    a.outcome = decode(played.accessed);
  } else if (piece.has_write()) {
    a.access = request_of(piece.write());
    if (played.written) a.outcome = outcome_of(piece.write(), *played.written);
  } else if (piece.has_call()) {
    a.call = call_with_results(played);
    a.result = played.found.result();
  }
  return a;
}

}  // namespace pvmmu::tools
