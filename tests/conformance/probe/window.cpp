#include "tests/conformance/probe/window.h"

#include "tests/conformance/probe/console.h"
#include "tests/conformance/probe/hypercalls.h"

namespace pvmmu::probe {
namespace {

constexpr u64 window_bytes = window_slots * page_bytes;

/// A new table, empty, in slot `slot` of the table above it.
u64 new_table(frame_pool& frames, u64 above_mfn, u64 slot) {
  const u64 mfn = frames.take_zeroed();
  frames.release();
  if (write_entry(above_mfn, slot, mfn * page_bytes | flags_table) != 0) lost("cannot make a table for a window", slot);
  return mfn;
}

}  // namespace

windows::windows(frame_pool& frames, u64 probe_l4_mfn)
    : frames_(frames), l3_mfn_(new_table(frames, probe_l4_mfn, window_l4_slot)) {}

windows::window windows::open() {
  if (opened_ == u64{512} * 512) lost("no windows left", opened_);
  if (opened_ % 512 == 0) l2_mfn_ = new_table(frames_, l3_mfn_, opened_ / 512);
  const u64 l1_mfn = new_table(frames_, l2_mfn_, opened_ % 512);
  return {first_window_va + window_bytes * opened_++, l1_mfn, l2_mfn_};
}

}  // namespace pvmmu::probe
