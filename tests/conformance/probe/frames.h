#pragma once
// The domain's frames that nothing maps: programs take theirs from them, ascending by pfn, and give none back.

#include "tests/conformance/probe/program.h"
#include "tests/conformance/probe/xen_abi.h"

namespace pvmmu::probe {

/// How many frames Xen's builder mapped: up to the end of the stack, rounded up to 4 MiB with 512 KiB at least behind
/// it (xen 4.17 pv/dom0_build.c).
u64 builder_mapped_pages(u64 stack_end);

/// Frames are taken and never given back: what a program did to one stays to be read.
class frame_pool {
 public:
  /// Everything beyond the frames that Xen's builder mapped.
  frame_pool(const start_info& start, u64 mapped_pages);

  /// A frame that was filled with zeros: allocated|1, writable|validated|0. It stays mapped at scratch() until the next
  /// frame is taken or release() is called.
  u64 take_zeroed();
  /// A frame that is zero although nobody wrote it: allocated|1, no type.
  u64 take_untouched();
  /// Maps a frame at scratch() instead of the one that is there.
  void map(u64 mfn, u64 flags);
  /// The same with a frame of the foreign domain.
  void map_foreign(u64 mfn, u64 flags);
  void release();
  u64* scratch() const;

 private:
  u64 next_mfn();
  /// The next frame that can be mapped with these flags, at scratch().
  u64 next_mapped(u64 flags);
  const u64* p2m_;
  u64 next_pfn_;
  u64 nr_pages_;
};

}  // namespace pvmmu::probe
