#pragma once
// What a call asks for, one by one: `mmu_update` of three entries is three operations. Frames are those of the machine
// that the call was made on; what they mean there, `page_table_view` knows.

#include <optional>
#include <string_view>
#include <vector>

#include "proto/abi/hypercall.h"
#include "proto/abi/pte.h"
#include "recording.pb.h"

namespace pvmmu::compare {

struct operation {
  enum class kind {
    set_entry,      ///< entry `slot` of `frame` becomes `value`; `cmd` is mmu_update's
    trapped_store,  ///< the same, by a store that Xen emulated
    pin,            ///< `frame` as a table of `level`
    unpin,
    va_mapping,     ///< what `va` is mapped to becomes `value`, with `flags` (UVMF_*)
    load_cr3,       ///< `frame` becomes the kernel's tables …
    load_user_cr3,  ///< … and user mode's; 0: none
    flush,          ///< `cmd` says which; `va` and `vcpus` where it has them
    other,          ///< `name` says which
  };
  kind what = kind::other;
  mfn_t frame{};
  unsigned slot = 0;
  unsigned level = 0;
  pte_t value = 0;
  u64 written = ~u64{0};  ///< trapped_store: the bits of the entry that the store covers
  u32 cmd = 0;
  u64 va = 0;
  u64 flags = 0;
  std::optional<u64> vcpus{};
  std::string_view name{};
};

/// Of one call that is no multicall: its entries are calls of their own.
std::vector<operation> operations_of(const wire::hypercall& call);
operation operation_of(const recording::emulated_write& write);

/// "mmu_update", "multicall" …
std::string_view name_of(const wire::hypercall& call);

}  // namespace pvmmu::compare
