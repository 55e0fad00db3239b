#include "tools/diff/told_run.h"

#include <algorithm>

#include "tools/report/call_sequence.h"
#include "tools/report/changes_text.h"
#include "tools/show/step_facts.h"

namespace pvmmu::tools {

namespace {

constexpr unsigned line_indent = 2;  // columns

/// "[3] update_va_mapping = 0" without the entry's number, which says how many came before.
void erase_entry_number(std::string& line) {
  if (line.starts_with('[')) line.erase(0, std::min(line.find("] "), line.size() - 2) + 2);
}

/// What a program reads is what all is about, even if Xen saw nothing of it.
bool is_read_by_user(const act& a) {
  return !a.is_call() && a.access.mode == cpu_mode::user && a.access.kind != access_kind::write;
}

told told_alone(line_role role, const std::string& text) {
  const text_line line{role, line_indent, text};
  const std::string neutral = frame_roles({}).neutral(line);
  return {.lines = {line}, .neutral = {neutral}, .asked = neutral, .words = neutral};
}

}  // namespace

std::string asked_in(const std::string& line) {
  if (const std::size_t result = line.find(" = "); result != std::string::npos) return line.substr(0, result);
  const std::size_t values = line.find("  ");
  if (values == std::string::npos) return line;
  std::string asked = line.substr(values + 2);
  constexpr std::string_view arrow = "→ ", stays = "stays ", not_written = " (not written)";
  if (const std::size_t at = asked.find(arrow); at != std::string::npos) asked.erase(0, at + arrow.size());
  if (asked.starts_with(stays)) asked.erase(0, stays.size());
  if (asked.ends_with(not_written)) asked.erase(asked.size() - not_written.size());
  return line.substr(0, values + 2) + asked;
}

bool is_asked(line_role role) {
  return role == line_role::call || role == line_role::failed || role == line_role::plain;
}

told_run::told_run(timeline& t) : timeline_(t), roles_(names_in(t)), notes_at_end_(t.notes_before(t.size() + 1)) {
  const auto add_titles = [this](const std::vector<wire::note>& notes) {
    for (const wire::note& note : notes)
      if (note.kind() == wire::note::scenario_step) titles_.push_back(note.text());
  };
  for (u64 number = t.next(0); number != 0; number = t.next(number)) add_titles(t.notes_before(number));
  add_titles(notes_at_end_);
  t.go_to(0);
  roles_.begin(t.machine());
  at_ = t.next(0);
}

told told_run::tell() {
  const timeline_step& s = timeline_.step();
  told one{.step = s.number, .vcpu = fmt::format("d{}v{}", s.act.domid, s.act.vcpu), .caller = s.act.caller};
  one.lines = text_of_domains(s.piece);
  if (one.lines.empty()) one.lines = act_text(s.act, roles_.names(), false, repetitions::told_each);
  for (const text_line& line : one.lines) {
    std::string neutral = roles_.neutral(line);
    const std::string head = one.caller + ": ";
    if (&line == &one.lines.front() && !one.caller.empty() && neutral.starts_with(head)) neutral.erase(0, head.size());
    erase_entry_number(neutral);
    if (is_asked(line.role)) one.asked += asked_in(neutral) + '\n';
    one.neutral.push_back(std::move(neutral));
  }
  one.words = s.act.is_call() ? call_words(s.act) : asked_in(one.neutral.front());
  return one;
}

told_step told_run::next() {
  told_step step{.title = titles_.at(begun_++)};
  tally_taker cost;
  for (;;) {
    if (at_ != 0) timeline_.go_to(at_);
    const std::vector<wire::note>& notes = at_ == 0 ? notes_at_end_ : timeline_.step().notes;
    while (note_ < notes.size()) {
      const wire::note& note = notes[note_++];
      if (note.kind() == wire::note::console_line)
        step.all.push_back(told_alone(line_role::message, "Linux: " + note.text()));
      if (note.kind() == wire::note::interlude) step.all.push_back(told_alone(line_role::heading, note.text()));
      if (note.kind() != wire::note::scenario_step) continue;
      step.cost = cost.result();
      return step;
    }
    if (at_ == 0) break;
    const act& a = timeline_.step().act;
    roles_.follow(timeline_.machine(), a);
    cost.add(a);
    cost_.add(a);
    if (!is_silent(a) || is_read_by_user(a)) step.all.push_back(tell());
    at_ = timeline_.next(at_);
    note_ = 0;
  }
  step.cost = cost.result();
  return step;
}

}  // namespace pvmmu::tools
