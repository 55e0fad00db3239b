#include "tools/conform/true_preemption.h"

#include "tools/conform/difference.h"
#include "tools/conform/model_side.h"

namespace pvmmu::conform {
namespace {

/// Programs check some hundred times; one that goes on and on tells nothing.
constexpr u64 most_checks = 5'000;

class once final : public xen::preemption {
 public:
  explicit once(u64 at) : at_(at) {}
  bool check() override { return ++checks_ == at_; }
  bool came() const { return checks_ >= at_; }

 private:
  u64 at_;
  u64 checks_ = 0;
};

}  // namespace

std::optional<u64> preempted_at(const lab::session& session, const lab::program& p, const lab::program_answer& real) {
  for (u64 at = 1; at <= most_checks; ++at) {
    model_side model{session.facts};
    once interrupt{at};
    model.machine().preempt_by(&interrupt);
    const lab::program_answer answer = model.run(p, real);
    if (!interrupt.came()) return std::nullopt;
    if (!compare(real, *session.memory, answer, model)) return at;
  }
  return std::nullopt;
}

}  // namespace pvmmu::conform
