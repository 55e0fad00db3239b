#include "tools/formats/ftrace.h"

#include <fmt/format.h>

#include "tools/formats/direct_map.h"
#include "tools/formats/followed_events.h"

namespace pvmmu::tools {
namespace {

std::string line_of(const char* task, domid_t domid, vcpu_id_t vcpu, u64 step, u64 order, std::string_view event) {
  return fmt::format("{:>16}-{:<7} [{:03}] ..... {:5}.{:06}: {}\n", task, domid, vcpu, step, order, event);
}

void write_notes(const std::vector<wire::note>& notes, u64 step, const std::function<void(std::string_view)>& out) {
  u64 order = 0;
  for (const wire::note& note : notes) {
    if (note.kind() != wire::note::trace_event) continue;
    out(line_of("pvmmu", static_cast<domid_t>(note.domid()), note.vcpu(), step, order++, note.text()));
  }
}

}  // namespace

void write_ftrace(timeline& t, const std::function<void(std::string_view)>& out) {
  out("# tracer: nop\n#\n");
  t.go_to(0);
  const bool real = t.header().real();
  const direct_map frames(t.machine());
  followed_events followed([&](mfn_t mfn) { return frames.mfn_to_pfn(mfn); });
  for (u64 number = t.next(0); number != 0; number = t.next(number)) {
    t.go_to(number);
    const timeline_step& step = t.step();
    if (!real) {
      write_notes(step.notes, number, out);
      continue;
    }
    u64 order = 0;
    for (const std::string& event : followed.of(step))
      out(line_of("linux", step.act.domid, step.act.vcpu, number, order++, event));
  }
  write_notes(t.notes_before(t.size() + 1), t.size() + 1, out);
}

}  // namespace pvmmu::tools
