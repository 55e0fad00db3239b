// The hypercall dispatcher under libFuzzer: bytes become programs of two guests
// (tests/hypervisor-model/random_guests.h). Byte 0 picks the build of Xen and how often it is preempted. After every
// piece of every call the whole state is recounted; a finding stops the run with the call that made it.

#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <span>

#include "hypervisor-model/audit.h"
#include "tests/hypervisor-model/random_guests.h"

namespace {

using namespace pvmmu;
using namespace pvmmu::xen;

/// The fuzzer's bytes, then zeros.
class byte_choices : public choices {
 public:
  explicit byte_choices(std::span<const u8> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  u32 below(u32 n) override {
    u32 value = 0;
    for (u32 limit = 1; limit < n && !bytes_.empty(); limit *= 256) {
      value = value * 256 + bytes_.front();
      bytes_ = bytes_.subspan(1);
      if (limit > 0xffffff) break;
    }
    return value % n;
  }

 private:
  std::span<const u8> bytes_;
};

void stop_at_findings(random_guests& guests) {
  const auto findings = audit(guests.m);
  if (findings.empty()) return;
  for (const audit_finding& f : findings) fmt::print(stderr, "{} mfn {:#x}: {}\n", f.invariant, f.mfn.n, f.text);
  fmt::print(stderr, "after {}\n", guests.last);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  constexpr std::size_t bytes_max = 4096;
  byte_choices from({data, std::min(size, bytes_max)});
  const bool debug_build = from.below(2) != 0;
  const u32 period = from.below(8);  // 0: never preempted
  random_guests* running = nullptr;
  random_guests guests(from, {.frames = 1024, .debug_build = debug_build}, [&] {
    if (running) stop_at_findings(*running);
  });
  running = &guests;
  std::optional<random_preemption> schedule;
  if (period != 0) guests.m.preempt_by(&schedule.emplace(period, u32{32} << period));
  while (!from.empty()) guests.step();
  stop_at_findings(guests);
  guests.m.preempt_by(nullptr);
  return 0;
}
