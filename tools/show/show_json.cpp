#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "hypervisor-model/domain.h"
#include "tools/report/report.h"
#include "tools/show/page_tree.h"
#include "tools/show/show_text.h"

namespace pvmmu::tools {

namespace json = boost::json;

namespace {

json::string hex(u64 n) { return json::string(fmt::format("{:#x}", n)); }

json::object json_of(const tree_table& t);

json::object json_of(const tree_entry& e) {
  json::object o{{"slot", e.slot}, {"va", hex(e.va)}, {"value", hex(e.value)}};
  if (e.before) o["before"] = hex(*e.before);
  if (e.below) o["table"] = json_of(*e.below);
  return o;
}

json::object json_of(const tree_table& t) {
  json::object o{{"mfn", hex(t.mfn.n)},
                 {"level", t.level},
                 {"va", hex(t.va)},
                 {"type_info", hex(t.type_info)},
                 {"count_info", hex(t.count_info)},
                 {"type_count", t.type_info & xen::PGT_count_mask},
                 {"count", t.count_info & xen::PGC_count_mask},
                 {"pinned", (t.type_info & xen::PGT_pinned) != 0},
                 {"present", t.present}};
  if (t.type_info_before) o["type_info_before"] = hex(*t.type_info_before);
  if (t.count_info_before) o["count_info_before"] = hex(*t.count_info_before);
  if (t.told_above) o["told_above"] = true;
  json::array entries;
  for (const tree_entry& e : t.entries) entries.push_back(json_of(e));
  o["entries"] = std::move(entries);
  return o;
}

json::array json_of(const std::vector<tree_root>& roots) {
  json::array list;
  for (const tree_root& r : roots) {
    json::array held_by;
    for (const std::string& by : r.held_by) held_by.emplace_back(by);
    list.push_back({{"held_by", std::move(held_by)}, {"table", json_of(r.table)}});
  }
  return list;
}

std::string_view kind_name(wire::note::note_kind kind) {
  switch (kind) {
    case wire::note::scenario_step: return "scenario_step";
    case wire::note::console_line: return "console_line";
    case wire::note::trace_event: return "trace_event";
    case wire::note::frame_name: return "frame_name";
    case wire::note::interlude: return "interlude";
    default: return "unspecified";
  }
}

json::object json_of(const wire::note& note) {
  json::object o{{"kind", kind_name(note.kind())}, {"text", note.text()}};
  if (note.kind() == wire::note::frame_name) o["mfn"] = hex(note.mfn());
  return o;
}

json::object json_of(const timeline_step& s) {
  json::array notes, callers, differences;
  for (const wire::note& note : s.notes) notes.push_back(json_of(note));
  for (const std::string& caller : s.piece.callers()) callers.emplace_back(caller);
  for (const std::string& difference : s.differences) differences.emplace_back(difference);
  return {{"step", s.number},
          {"notes", std::move(notes)},
          {"act", json_report(s.act)},
          {"callers", std::move(callers)},
          {"differences", std::move(differences)}};
}

/// All but the steps.
json::object title_of(timeline& t, const std::string& path) {
  const recording::header& h = t.header();
  json::object o{{"file", path},
                 {"guest", h.guest()},
                 {"hypervisor", h.hypervisor()},
                 {"real", h.real()},
                 {"kernel_release", h.kernel_release()},
                 {"tool_version", h.tool_version()},
                 {"frames", t.machine().config().frames},
                 {"size", t.size()}};
  if (t.torn()) o["torn"] = *t.torn();
  return o;
}

}  // namespace

void show_json(timeline& t, const show_request& request, const std::function<void(const std::string&)>& write) {
  show_request wanted = request;
  if (request.tree && request.steps.empty()) wanted.steps = "last";
  const step_range range = parse_steps(wanted.steps, t.size(), request.tree);
  // Written piece by piece: a recording may have a million steps.
  std::string head = json::serialize(title_of(t, request.path));
  head.back() = ',';
  write(head + "\"steps\":[");
  const char* separator = "\n";
  const auto write_step = [&](json::object step) {
    if (request.tree)
      step["tree"] = json_of(page_tree(t.machine(), t.step().act, {.cr3 = request.cr3, .va = request.va}));
    write(std::exchange(separator, ",\n") + json::serialize(step));
  };
  if (range.first == 0) {
    t.go_to(0);
    write_step({{"step", 0}});
    wanted.steps = fmt::format("1-{}", range.last);
  }
  if (request.tree) {
    wanted.mfn.reset();
    wanted.va.reset();
  }
  if (range.last != 0) for_each_step(t, wanted, [&] { write_step(json_of(t.step())); });
  write("\n]}\n");
}

}  // namespace pvmmu::tools
