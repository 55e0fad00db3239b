#pragma once
// A recording as a trace that Perfetto (ui.perfetto.dev) opens:
//
//   a process for each domain, in it
//     a thread for each vCPU: its hypercalls and emulated stores as slices, a multicall's calls nested in it; lines
//     that Xen or the kernel printed, faults and crashes as instants a counter for each page table whose type count
//     changed: the count
//
// Packets are written as the recording is gone through. There is no clock: each packet is 100 ns after the one before,
// and each slice says of which step it is.

#include <functional>
#include <string>
#include <string_view>

#include "tools/timeline/timeline.h"

namespace pvmmu::tools {

/// A viewer cannot show more tracks with any sense: counters are written for so many page tables, those first whose
/// counts changed first.
inline constexpr std::size_t max_counter_tracks = 512;

/// `out` gets packet by packet, whose bytes together are the file. Returns how many page tables had no counter of their
/// own. Moves the timeline to its end.
std::size_t write_perfetto(timeline& t, const std::function<void(std::string_view)>& out);

}  // namespace pvmmu::tools
