#include "tools/show/step_facts.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "hypervisor-model/domain.h"
#include "tools/report/call_sequence.h"
#include "tools/report/changes_text.h"
#include "tools/report/step_text.h"
#include "tools/show/columns.h"
#include "tools/show/touched.h"

namespace pvmmu::tools {

namespace {

constexpr unsigned indent = 2;  // columns
constexpr std::size_t caller_width = 24;
constexpr std::size_t call_width = 28;

bool several_vcpus(const xen::machine& m) {
  u64 vcpus = 0;
  for (const auto& d : m.domains()) vcpus += d->vcpus.size();
  return vcpus > 1;
}

/// Innermost first.
std::vector<std::string> callers_of(const timeline_step& s) {
  if (s.piece.callers_size() != 0) return {s.piece.callers().begin(), s.piece.callers().end()};
  return s.act.caller.empty() ? std::vector<std::string>{} : std::vector{s.act.caller};
}

/// The function that wanted it: who carries out that calls are batched is not worth a line's room.
std::string wanted_by(const timeline_step& s) {
  const std::vector<std::string> callers = callers_of(s);
  const auto at = std::ranges::find_if(callers, [](const auto& name) { return !name.starts_with("xen_mc_"); });
  if (at != callers.end()) return *at;
  return callers.empty() ? "" : callers.back();
}

/// What the call is about: its only entry, or all of them in a few words.
std::string brief(const act& a, const text_block& text) {
  if (!a.is_call()) return a.is_trap() && text.size() > 1 ? text[1].text : "";
  const hypercall& call = a.call->call();
  const auto* updates = std::get_if<mmu_update_call>(&call);
  const auto* operations = std::get_if<mmuext_op_call>(&call);
  const bool is_list = (updates && updates->ureqs.entries.size() != 1) ||
                       (operations && operations->uops.entries.size() != 1) ||
                       std::holds_alternative<multicall_call>(call);
  if (is_list) return call_words(a);
  return text.size() > 1 ? text[1].text : "";
}

/// The call's name, how many entries it has and its result, as act_text heads it.
std::string head_of(const act& a, const text_block& text) {
  const std::string& head = text.front().text;
  return a.caller.empty() ? head : head.substr(a.caller.size() + 2);
}

/// The step as act_text tells of calls and accesses; what recordings of the model have besides, too.
text_block text_of(const timeline_step& s, const frame_names& names, bool names_vcpu) {
  text_block lines = text_of_domains(s.piece);
  return lines.empty() ? act_text(s.act, names, names_vcpu) : lines;
}

text_line line_of(const timeline_step& s, const frame_names& names, bool names_vcpu) {
  const text_block text = text_of(s, names, false);
  const line_role role = text.front().role == line_role::failed ? line_role::failed
                         : is_silent(s.act)                     ? line_role::dim
                                                                : line_role::plain;
  std::string line = fmt::format("{}", s.number);
  if (names_vcpu) line += fmt::format("  d{}v{}", s.act.domid, s.act.vcpu);
  if (const std::string caller = wanted_by(s); !caller.empty()) line += "  " + padded(caller, caller_width);
  line += "  " + padded(head_of(s.act, text), call_width) + "  " + brief(s.act, text);
  line.erase(line.find_last_not_of(' ') + 1);
  return {role, 0, line};
}

/// The scenario's steps, what came in between, and the lines on the console; trace points are for those who ask for
/// them.
text_block said(const std::vector<wire::note>& notes) {
  text_block lines;
  for (const wire::note& note : notes) {
    if (note.kind() == wire::note::scenario_step) lines.push_back({line_role::heading, 0, note.text()});
    if (note.kind() == wire::note::interlude) lines.push_back({line_role::heading, indent, note.text()});
    if (note.kind() == wire::note::console_line) lines.push_back({line_role::message, indent, "Linux: " + note.text()});
  }
  return lines;
}

text_block full_text(const timeline_step& s, const frame_names& names, bool names_vcpu) {
  text_block text = text_of(s, names, names_vcpu);
  std::vector<std::string> callers = callers_of(s);
  // The innermost stand at its head.
  callers.erase(callers.begin(), std::ranges::find_if(callers, [&](const auto& name) {
                  return s.act.caller.find(name) == std::string::npos;
                }));
  if (!callers.empty())
    text.push_back({line_role::dim, indent, fmt::format("called by {}", fmt::join(callers, " < "))});
  for (const std::string& difference : s.differences)
    text.push_back({line_role::bad, indent, "not as recorded: " + difference});
  return text;
}

/// Not what was asked, but what came of it.
bool is_change(const owned_event& e) {
  return e.kind != event_kind::call_begin && e.kind != event_kind::call_end && e.kind != event_kind::entry &&
         e.kind != event_kind::continuation;
}

bool ended_domain(const act& a) {
  return a.crashed || std::ranges::any_of(a.events, [](const auto& e) { return e.kind == event_kind::crash; });
}

}  // namespace

text_block text_of_domains(const recording::piece& piece) {
  if (piece.has_create_domain()) {
    const wire::create_domain_request& asked = piece.create_domain();
    return {{line_role::call, indent,
             fmt::format("d{} is built: {}, {}", piece.domid(), count_text(asked.pages(), "page"),
                         count_text(asked.vcpus(), "vCPU"))}};
  }
  if (piece.has_destroy_domain())
    return {{line_role::call, indent, fmt::format("d{} is destroyed", piece.destroy_domain().domid())}};
  return {};
}

frame_names names_in(const timeline& t) {
  frame_names names;
  for (const wire::note& note : t.names()) names[note.mfn()] = note.text();
  return names;
}

text_block last_words(const timeline& t) { return said(t.notes_before(t.size() + 1)); }

step_facts facts_of(timeline& t, const frame_names& names) {
  const timeline_step& s = t.step();
  const bool names_vcpu = several_vcpus(t.machine());
  step_facts f{.number = s.number};
  f.before = said(s.notes);
  f.begins_step =
      std::ranges::any_of(s.notes, [](const auto& note) { return note.kind() == wire::note::scenario_step; });
  f.line = line_of(s, names, names_vcpu);
  f.full = full_text(s, names, names_vcpu);
  std::vector<const owned_event*> events;
  for (const owned_event& e : s.act.events) {
    if (is_change(e)) events.push_back(&e);
    if (e.kind == event_kind::message) f.messages.push_back({line_role::message, 2 * indent, e.text});
  }
  f.changes = fold(changes_text(events, names, 2 * indent), "change");
  f.silent = is_silent(s.act);
  f.failed = failed(s.act) || ended_domain(s.act);
  f.differs = !s.differences.empty();
  f.frames = touched_frames(s.act);
  return f;
}

std::string step_title(timeline& t) {
  const timeline_step& s = t.step();
  return several_vcpus(t.machine()) ? fmt::format("step {}  d{}v{}", s.number, s.act.domid, s.act.vcpu)
                                    : fmt::format("step {}", s.number);
}

text_block recording_title(timeline& t, const std::string& path) {
  const recording::header& h = t.header();
  const std::string guest = h.guest().empty() ? "a guest" : h.guest();
  const std::string hypervisor = h.hypervisor().empty() ? "the model of Xen" : h.hypervisor();
  text_block lines{
      {line_role::heading, 0, guest},
      {line_role::dim, 0, path},
      {line_role::dim, 0,
       fmt::format("recorded on {}{}, by pvmmu {}", h.real() ? "a real " : "", hypervisor, h.tool_version())}};
  lines.push_back({line_role::dim, 0,
                   fmt::format("{}, {} of memory", count_text(t.size(), "step"),
                               bytes_text(t.machine().config().frames * PAGE_SIZE))});
  for (const auto& d : t.machine().domains())
    lines.push_back({line_role::dim, 0,
                     fmt::format("d{} ({})  {}, {}", d->domid, d->kind == domain_kind::dom0 ? "dom0" : "domU",
                                 count_text(d->tot_pages, "page"), count_text(d->vcpus.size(), "vCPU"))});
  if (t.torn()) lines.push_back({line_role::bad, 0, "torn: " + *t.torn()});
  return lines;
}

}  // namespace pvmmu::tools
