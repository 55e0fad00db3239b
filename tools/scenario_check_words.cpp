// What a scenario must obey beyond its grammar: frames, and what leads to them.

#include "proto/abi/pte.h"
#include "tools/scenario_checker.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

u64 scenario_checker::domain_pages() const { return domain_->has_pages() ? domain_->pages() : domain_config{}.pages; }

// ---- frames

void scenario_checker::check_alloc_frame(const sc::alloc_frame& a) {
  need(!a.name().empty(), a, "a name: expected alloc_frame { name: \"l1\" }");
  if (frames_.contains(a.name()) || (!domain_->has_kernel() && given_frame(a.name())))
    file_.fail(a, "name", fmt::format("frame \"{}\" exists already: expected a new name", a.name()));
  frames_[a.name()] = a.begins();
  const auto without_kernel = [&](bool given, std::string_view field) {
    if (given && domain_->has_kernel())
      file_.fail(a, field, fmt::format("domain {} has a kernel: expected {} without one only", domid_, field));
  };
  without_kernel(a.begins() != a.MAPPED, "begins");
  without_kernel(!a.contents().empty(), "contents");
  if (!a.contents().empty() && (a.begins() == a.UNTOUCHED || a.begins() == a.ADOPTED))
    file_.fail(a, "contents", "a frame that nobody has written: expected no contents", 0);
  forward_ = true;
  for (const auto& c : a.contents()) check_contents(c);
  forward_ = false;
}

void scenario_checker::check_contents(const sc::contents& c) const {
  in_range(c, "slot", c.slot(), 0, entries_per_table - 1);
  if (c.has_count()) in_range(c, "count", c.count(), 1, entries_per_table - c.slot());
  need(c.what_case() != c.WHAT_NOT_SET, c, "something that lies there: expected value, pte or word");
  if (c.has_pte()) check_pte(c.pte());
  if (c.has_word()) check_word(c.word());
}

void scenario_checker::check_frame(const sc::frame& f) const {
  need(f.which_case() != f.WHICH_NOT_SET, f, "to say which: expected name, mfn, pfn, table or mapped_at");
  if (f.has_name()) check_frame_name(f);
  if (f.has_pfn()) in_range(f, "pfn", f.pfn(), 0, domain_pages() - 1);
  if (f.has_table()) check_table(f.table());
}

void scenario_checker::check_frame_name(const sc::frame& f) const {
  if (forward_ ? all_frames_.contains(f.name()) : frames_.contains(f.name())) return;
  if (given_frame(f.name()) && !domain_->has_kernel()) return;
  file_.fail(f, "name",
             fmt::format("there is no frame \"{}\" here: expected a name that alloc_frame gave before", f.name()));
}

void scenario_checker::check_table(const sc::table_of& t) const {
  in_range(t, "level", t.level(), 1, 4);
  if (!t.mm().empty()) check_mm(t, t.mm(), false);
}

void scenario_checker::check_entry(const sc::entry& e) const {
  need(e.where_case() != e.WHERE_NOT_SET, e, "to say which: expected table and slot, or of { level: 1 va: 0x… }");
  if (e.has_table()) check_frame(e.table());
  if (e.has_of()) check_table(e.of());
  if (e.has_of() && e.slot() != 0) file_.fail(e, "slot", "slot goes with table: expected none with of");
  in_range(e, "slot", e.slot(), 0, entries_per_table - 1);
}

// ---- words

void scenario_checker::check_address(const sc::address& a) const {
  need(a.where_case() != a.WHERE_NOT_SET, a, "to say where: expected va, frame, window or unreadable");
  const bool kernel = domain_->has_kernel();
  if (a.has_window()) in_range(a, "window", a.window(), 0, entries_per_table - 1);
  if (a.has_window() && !forward_ && (kernel || domain_->kind() != sc::domain::DOM0))
    file_.fail(a, "window", fmt::format("domain {} has no window: expected a DOM0 without a kernel", domid_));
  if (a.has_word()) check_word(a.word());
  if (!a.has_frame()) return;
  check_frame(a.frame());
  const auto frame = frames_.find(a.frame().name());
  if (a.frame().has_name() && !kernel && (frame == frames_.end() || frame->second != sc::alloc_frame::MAPPED))
    file_.fail(
        a, "frame",
        fmt::format("frame \"{}\" is not mapped: expected window, with the frame mapped there", a.frame().name()));
}

void scenario_checker::check_pte(const sc::pte& p) const {
  if (p.has_frame()) check_frame(p.frame());
}

void scenario_checker::check_word(const sc::word& w) const {
  switch (w.base_case()) {
    case sc::word::kPte: return check_pte(w.pte());
    case sc::word::kMfn: return check_frame(w.mfn());
    case sc::word::kMfnHigh: return check_frame(w.mfn_high());
    case sc::word::kAddress: return check_address(w.address());
    case sc::word::kProbeL4Entry: return in_range(w, "probe_l4_entry", w.probe_l4_entry(), 0, entries_per_table - 1);
    default: break;
  }
}

}  // namespace pvmmu::tools
