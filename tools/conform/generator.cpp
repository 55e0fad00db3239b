#include "tools/conform/generator.h"

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {

lab::program generator::next() { return program_maker(random_).make(); }

lab::program program_maker::make() {
  if (one_in(10)) {
    make_spoilt();
    return std::move(p_);
  }
  if (one_in(40)) {
    make_refused_stores();
    return std::move(p_);
  }
  if (one_in(40)) {
    make_unaligned();
    return std::move(p_);
  }
  ldt_ = one_in(4);
  plan_frames();
  if (one_in(4)) begin_grants();
  begin_memory();
  begin_calls();
  if (ldt_) begin_ldt();
  const u64 n = (ldt_ ? 10 : 4) + below(18);
  for (u64 i = 0; i < n; ++i) {
    if (p_.nr_grants != 0 && one_in(3)) {
      p_.calls.push_back(grant_call());
    } else if (ldt_ && !one_in(3)) {
      p_.calls.push_back(ldt_call());
    } else if (memory_ != memory_of::nobody && one_in(2)) {
      add_memory_call();
    } else if (one_in(6)) {
      p_.calls.push_back(map_for_access());
      p_.calls.push_back(memory_access());
    } else if (one_in(8)) {
      p_.calls.push_back(multicall());
    } else if (one_in(6)) {
      p_.calls.push_back(memory_access());
    } else {
      std::visit([this](auto c) { p_.calls.push_back(std::move(c)); }, simple_call());
    }
  }
  return std::move(p_);
}

}  // namespace pvmmu::conform
