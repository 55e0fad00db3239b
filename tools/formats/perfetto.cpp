#include "tools/formats/perfetto.h"

#include <unordered_set>

#include "hypervisor-model/machine/page_info.h"
#include "tools/formats/perfetto_tracks.h"

namespace pvmmu::tools {
namespace {

using perfetto::TrackEvent;

bool is_table(u64 type_info) {
  const u64 type = type_info & xen::PGT_type_mask;
  return type != xen::PGT_none && type <= xen::PGT_l4_page_table;
}

class perfetto_writer {
 public:
  explicit perfetto_writer(const std::function<void(std::string_view)>& out) : tracks_(out) {}

  void write(const timeline_step& step) {
    const act& a = step.act;
    const u64 vcpu = tracks_.vcpu(a.domid, a.vcpu);
    write(step.notes);
    if (a.is_call() || a.is_trap()) call(step, vcpu);
    for (const owned_event& e : a.events) change(a.domid, vcpu, e);
    if (a.is_call() || a.is_trap()) end(vcpu);
  }

  /// What was said behind the last step.
  void write(const std::vector<wire::note>& notes) {
    for (const wire::note& note : notes) say(note, tracks_.vcpu(static_cast<domid_t>(note.domid()), note.vcpu()));
  }

  std::size_t left_out() const { return left_out_.size(); }

 private:
  static void annotate(TrackEvent& e, const char* name, s64 value) {
    auto& annotation = *e.add_debug_annotations();
    annotation.set_name(name);
    annotation.set_int_value(value);
  }

  void call(const timeline_step& step, u64 vcpu) {
    const act& a = step.act;
    TrackEvent& e = begin(vcpu, std::string(act_name(a)), a.is_call() ? "hypercall" : "trap");
    annotate(e, "step", static_cast<s64>(step.number));
    if (a.is_call()) annotate(e, "result", a.result);
    if (!a.caller.empty()) {
      auto& caller = *e.add_debug_annotations();
      caller.set_name("caller");
      caller.set_string_value(a.caller);
    }
    tracks_.write();
    if (!a.is_call()) return;
    const auto* batch = std::get_if<multicall_call>(&a.call->call());
    if (!batch) return;
    for (const multicall_entry& nested : batch->call_list) {
      annotate(begin(vcpu, std::string(hypercall_name(nested.call)), "hypercall"), "result", nested.result);
      tracks_.write();
      end(vcpu);
    }
  }

  TrackEvent& begin(u64 track, std::string name, const char* category) {
    TrackEvent& e = tracks_.event(track, TrackEvent::TYPE_SLICE_BEGIN);
    e.set_name(std::move(name));
    e.add_categories(category);
    return e;
  }

  void end(u64 track) {
    tracks_.event(track, TrackEvent::TYPE_SLICE_END);
    tracks_.write();
  }

  void instant(u64 track, std::string_view text, const char* category) {
    TrackEvent& e = tracks_.event(track, TrackEvent::TYPE_INSTANT);
    e.set_name(std::string(text));
    e.add_categories(category);
    tracks_.write();
  }

  void say(const wire::note& note, u64 vcpu) {
    if (note.kind() == wire::note::scenario_step) instant(vcpu, note.text(), "step");
    if (note.kind() == wire::note::interlude) instant(vcpu, note.text(), "interlude");
    if (note.kind() == wire::note::console_line) instant(vcpu, note.text(), "linux");
  }

  void change(domid_t domid, u64 vcpu, const owned_event& e) {
    switch (e.kind) {
      case event_kind::message: return instant(vcpu, e.text, "xen");
      case event_kind::guest_fault: return instant(vcpu, fmt::format("#PF at {:#x}", e.value), "fault");
      case event_kind::crash: return instant(vcpu, fmt::format("dom{} crashed", e.slot), "crash");
      case event_kind::type_info: return count(domid, e);
      default: return;
    }
  }

  void count(domid_t domid, const owned_event& e) {
    const u64 before = e.old & xen::PGT_count_mask;
    const u64 after = e.value & xen::PGT_count_mask;
    if (before == after || !(is_table(e.old) || is_table(e.value))) return;
    if (!tracks_.has_type_count(e.mfn)) {
      if (counters_ == max_counter_tracks) {
        left_out_.insert(e.mfn.n);
        return;
      }
      ++counters_;
      value(domid, e.mfn, before);
    }
    value(domid, e.mfn, after);
  }

  void value(domid_t domid, mfn_t mfn, u64 count) {
    tracks_.event(tracks_.type_count(domid, mfn), TrackEvent::TYPE_COUNTER).set_counter_value(static_cast<s64>(count));
    tracks_.write();
  }

  perfetto_tracks tracks_;
  std::size_t counters_ = 0;
  std::unordered_set<u64> left_out_;  ///< mfns
};

}  // namespace

std::size_t write_perfetto(timeline& t, const std::function<void(std::string_view)>& out) {
  perfetto_writer writer(out);
  t.go_to(0);
  for (u64 number = t.next(0); number != 0; number = t.next(number)) {
    t.go_to(number);
    writer.write(t.step());
  }
  writer.write(t.notes_before(t.size() + 1));
  return writer.left_out();
}

}  // namespace pvmmu::tools
