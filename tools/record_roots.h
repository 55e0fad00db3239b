#pragma once
// The L4s that each vCPU runs on, followed from the guest's first call on: whoever looks at the machine later cannot
// read them off a processor that runs someone else.

#include "recording.pb.h"

#include <map>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::tools {

class followed_roots {
 public:
  /// Any piece; those of which it is one that loads a table count.
  void take(const recording::piece& piece);
  /// dom0's, in order: all that ever loaded a table.
  std::vector<recording::loaded_tables> vcpus() const;

 private:
  void take(const wire::hypercall& call, s64 result, u32 vcpu);

  std::map<u32, recording::loaded_tables> vcpus_;
};

}  // namespace pvmmu::tools
