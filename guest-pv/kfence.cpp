#include "guest-pv/kfence.h"

#include "guest-pv/pgalloc.h"

namespace pvmmu::guest {

// The frame number stays in the entry, so that it can be made present again. Inverted it points behind all memory; as
// it was it lets a processor with L1TF guess what is in the frame of that number, which need not be this domain's: Xen
// does not accept it from a domU.
void kfence_protect_page(kernel_state& k, pfn_t page, bool protect) {
  const std::optional<entry_ref> entry = find_entry(k, k.init_mm, va_of(page), 1);
  if (!entry) return;  // no memory of the domain's
  const pte_t old = k.tables.load(*entry);
  if (present(old) != protect) return;
  const u64 flags = (old & ~PTE_ADDR_MASK) ^ PAGE_PRESENT;
  const bool inverts = !protect || k.profile().kfence_inverts;
  k.pv->set_pte(*entry, inverts ? k.pv->make_pte(page, flags) : pvmmu::make_pte(mfn_t{page.n}, flags));
  if (protect) k.pv->flush_tlb_one_user(va_of(page));
}

}  // namespace pvmmu::guest
