#pragma once
// From what a scenario says about a raw hypercall or access to the call itself.

#include <deque>
#include <functional>
#include <vector>

#include "proto/abi/access.h"
#include "proto/abi/frame.h"
#include "proto/abi/hypercall.h"
#include "proto/abi/pte.h"
#include "tools/scenario.h"

namespace pvmmu::tools {

/// How names become numbers, in the step's domain and on its vCPU. Each throws `unresolved` where there is no such
/// thing.
struct name_resolver {
  std::function<mfn_t(const scenario::frame&)> frame;
  std::function<u64(const scenario::address&)> address;
  std::function<mfn_t(const scenario::table_of&)> table;
  std::function<u64(const scenario::word&)> word;  ///< but for an entry, an address and a frame: those are above
};

u64 resolve(const scenario::pte& p, const name_resolver& names);
u64 resolve(const scenario::word& w, const name_resolver& names);

/// A call and the lists that it points to.
class raw_call {
 public:
  raw_call(const scenario::hypercall& spec, const name_resolver& names);
  raw_call(const raw_call&) = delete;
  raw_call& operator=(const raw_call&) = delete;
  hypercall& call() { return call_; }

 private:
  hypercall build(const scenario::hypercall& spec);
  hypercall build(const scenario::mmu_update& spec);
  hypercall build(const scenario::mmuext_op& spec);
  hypercall build(const scenario::update_va_mapping& spec) const;
  hypercall build(const scenario::multicall& spec);
  hypercall build(const scenario::set_gdt& spec);

  const name_resolver& names_;
  std::deque<std::vector<mmu_update_t>> ureqs_;  // deques: their elements stay where they are
  std::deque<std::vector<mmuext_op_t>> uops_;
  std::deque<std::vector<multicall_entry>> calls_;
  std::deque<std::vector<u64>> frames_;
  hypercall call_;
};

access_request raw_access(const scenario::access& spec, const name_resolver& names);

}  // namespace pvmmu::tools
