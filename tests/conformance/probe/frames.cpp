#include "tests/conformance/probe/frames.h"

#include "tests/conformance/probe/console.h"
#include "tests/conformance/probe/hypercalls.h"
#include "tests/conformance/probe/memory.h"

namespace pvmmu::probe {
namespace {

constexpr u64 virt_base = 0xffffffff80000000;

alignas(page_bytes) u64 scratch_page[512];

/// Where Xen's builder stopped mapping: the end of the stack, rounded up to 4 MiB with 512 KiB at least behind it
/// (xen 4.17 pv/dom0_build.c).
u64 builder_mapped_pages(u64 stack_end) {
  const u64 round = u64{4} << 20;
  u64 end = (stack_end + round - 1) & ~(round - 1);
  if (end - stack_end < u64{512} << 10) end += round;
  return (end - virt_base) / page_bytes;
}

bool all_zero(const u64* words) {
  for (u64 i = 0; i < 512; ++i)
    if (words[i] != 0) return false;
  return true;
}

}  // namespace

frame_pool::frame_pool(const start_info& start, u64 mapped_end)
    : p2m_(reinterpret_cast<const u64*>(start.mfn_list)),
      next_pfn_(builder_mapped_pages(mapped_end)),
      nr_pages_(start.nr_pages) {
  release();
}

u64* frame_pool::scratch() const { return scratch_page; }

u64 frame_pool::next_mfn() {
  if (next_pfn_ >= nr_pages_) lost("no frames left", nr_pages_);
  return p2m_[next_pfn_++];
}

void frame_pool::map(u64 mfn, u64 flags) {
  if (update_va_mapping(address_of(scratch_page), mfn * page_bytes | flags) != 0) lost("cannot map frame", mfn);
}

void frame_pool::release() {
  if (update_va_mapping(address_of(scratch_page), 0) != 0) lost("cannot unmap scratch");
}

u64 frame_pool::take_zeroed() {
  const u64 mfn = next_mfn();
  map(mfn, flags_rw);
  memset(scratch_page, 0, page_bytes);
  return mfn;
}

u64 frame_pool::take_untouched() {
  while (true) {
    const u64 mfn = next_mfn();
    map(mfn, flags_ro);
    if (all_zero(scratch_page)) return mfn;
  }
}

}  // namespace pvmmu::probe
