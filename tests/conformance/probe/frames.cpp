#include "tests/conformance/probe/frames.h"

#include "tests/conformance/probe/console.h"
#include "tests/conformance/probe/hypercalls.h"
#include "tests/conformance/probe/memory.h"

namespace pvmmu::probe {
namespace {

alignas(page_bytes) u64 scratch_page[512];

bool all_zero(const u64* words) {
  for (u64 i = 0; i < 512; ++i)
    if (words[i] != 0) return false;
  return true;
}

}  // namespace

u64 builder_mapped_pages(u64 stack_end) {
  const u64 round = u64{4} << 20;
  u64 end = (stack_end + round - 1) & ~(round - 1);
  if (end - stack_end < u64{512} << 10) end += round;
  return (end - virt_base) / page_bytes;
}

frame_pool::frame_pool(const start_info& start, u64 mapped_pages)
    : p2m_(pointer_to<u64>(start.mfn_list)), next_pfn_(mapped_pages), nr_pages_(start.nr_pages) {
  release();
}

u64* frame_pool::scratch() const { return scratch_page; }

u64 frame_pool::next_mfn() {
  if (next_pfn_ >= nr_pages_) lost("no frames left", nr_pages_);
  return p2m_[next_pfn_++];
}

// A program that names a frame by its number may have made it a table, or given it away: such a frame is passed over.
u64 frame_pool::next_mapped(u64 flags) {
  while (true) {
    const u64 mfn = next_mfn();
    if (update_va_mapping(address_of(scratch_page), mfn * page_bytes | flags) == 0) return mfn;
  }
}

void frame_pool::map(u64 mfn, u64 flags) {
  if (update_va_mapping(address_of(scratch_page), mfn * page_bytes | flags) != 0) lost("cannot map frame", mfn);
}

void frame_pool::map_foreign(u64 mfn, u64 flags) {
  const u64 entry = mfn * page_bytes | flags;
  if (hypercall(HYPERVISOR_update_va_mapping_otherdomain, address_of(scratch_page), entry, UVMF_INVLPG,
                foreign_domid) != 0)
    lost("cannot map a foreign frame", mfn);
}

void frame_pool::release() {
  if (update_va_mapping(address_of(scratch_page), 0) != 0) lost("cannot unmap scratch");
}

u64 frame_pool::take_zeroed() {
  const u64 mfn = next_mapped(flags_rw);
  memset(scratch_page, 0, page_bytes);
  return mfn;
}

u64 frame_pool::take_untouched() {
  while (true) {
    const u64 mfn = next_mapped(flags_ro);
    if (all_zero(scratch_page)) return mfn;
  }
}

}  // namespace pvmmu::probe
