#pragma once
// What an operation is aimed at: the same entry of a batch comes to other things on an L2 than on a writable frame.

#include "hypervisor-model/machine/machine.h"

namespace pvmmu::conform {

/// By the type that is held at the moment.
enum class aim { nothing, l1, l2, l3, l4, seg_desc, writable, unheld };
inline constexpr std::size_t nr_aims = 8;

/// `nothing` for what is no frame, or nobody's.
aim aim_of(const xen::machine& m, mfn_t mfn);

}  // namespace pvmmu::conform
