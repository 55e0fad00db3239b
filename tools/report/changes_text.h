#pragma once
// What a set of events changed, frame by frame: first value and last, and between them only what fell below both.

#include "tools/report/act_text.h"
#include "tools/report/event_tree.h"

namespace pvmmu::tools {

/// An entry of a table that a report has shown already.
struct shown_entry {
  mfn_t table{};
  unsigned slot = 0;
};

/// One block each: frames with their changed fields, entries other than `shown`, tables validated and taken down,
/// flushes, messages and the like; in the order in which they began.
std::vector<text_block> changes_text(const std::vector<const owned_event*>& events, const frame_names& names,
                                     unsigned indent, const std::optional<shown_entry>& shown = {});

/// "L1" … "L4", "writable", "none": what a frame's type_info says.
std::string_view frame_type_name(u64 type_info);

/// Whether an entry changed only in its accessed and dirty bits, as the processor sets them on its way.
bool set_by_processor(const owned_event& e);

/// A kernel's own load or store of which Xen saw nothing: the processor set accessed and dirty bits on its way.
bool is_silent(const act& a);

}  // namespace pvmmu::tools
