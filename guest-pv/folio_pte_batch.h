#pragma once
// How many entries that follow each other map pages of one folio that follow each other: linux 6.12 mm/internal.h.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

/// From `first` on, whose entry is `pte` and maps a page of a large folio; 1 to `most` entries.
unsigned folio_pte_batch(kernel_state& k, entry_ref first, pte_t pte, unsigned most);

}  // namespace pvmmu::guest
