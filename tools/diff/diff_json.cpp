#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tools/diff/diff_text.h"
#include "tools/diff/summary.h"

namespace pvmmu::tools {

namespace json = boost::json;

namespace {

json::object json_of(const diff_side& side) {
  const recording::header& h = side.run.header();
  json::object o{{"file", side.path},
                 {"guest", h.guest()},
                 {"hypervisor", h.hypervisor()},
                 {"real", h.real()},
                 {"size", side.run.size()}};
  if (side.run.torn()) o["torn"] = *side.run.torn();
  return o;
}

json::object json_of(const tally& t) {
  json::object o;
  for (const cost_row& row : cost_rows()) o[row.name] = t.*row.count;
  return o;
}

json::value json_of(const std::optional<told_step>& s, std::optional<std::size_t> at) {
  if (!at) return nullptr;
  const told& t = s->all[*at];
  json::array lines;
  for (const text_line& line : t.lines) lines.emplace_back(std::string(line.indent, ' ') + line.text);
  json::object o{{"lines", std::move(lines)}};
  if (!t.is_line()) o["step"] = t.step;
  return o;
}

json::object json_of(const step_diff& s) {
  json::array differences;
  u64 alike = 0;
  for (const aligned_row& row : s.rows) {
    if (s.alike(row)) {
      alike += s.is_call(row);
      continue;
    }
    differences.push_back(json::object{{"a", json_of(s.a, row.a)}, {"b", json_of(s.b, row.b)}});
  }
  const auto title = [](const std::optional<told_step>& side) {
    return side ? json::value(side->title) : json::value();
  };
  const auto cost = [](const std::optional<told_step>& side) {
    return side ? json::value(json_of(side->cost)) : json::value();
  };
  return {{"title_a", title(s.a)},
          {"title_b", title(s.b)},
          {"alike", s.alike()},
          {"calls_alike", alike},
          {"differences", std::move(differences)},
          {"cost_a", cost(s.a)},
          {"cost_b", cost(s.b)}};
}

json::object json_of(const diff_summary& d) {
  json::array said, end;
  for (const said_difference& s : d.said())
    said.push_back(json::object{{"text", s.text}, {"a", s.a}, {"b", s.b}, {"first_step", s.first_step}});
  for (const end_difference& e : d.end_differences)
    end.push_back(json::object{{"what", e.what},
                               {"a", e.a.empty() ? json::value() : json::value(e.a)},
                               {"b", e.b.empty() ? json::value() : json::value(e.b)}});
  return {{"alike", d.alike()},           {"one_is_torn", d.one_is_torn},   {"steps_differ", d.steps_differ},
          {"calls_alike", d.calls_alike}, {"calls_differ", d.calls_differ}, {"only_a", d.only_a},
          {"only_b", d.only_b},           {"cost_a", json_of(d.cost_a)},    {"cost_b", json_of(d.cost_b)},
          {"said", std::move(said)},      {"end", std::move(end)}};
}

}  // namespace

bool diff_json(const diff_side& a, const diff_side& b, const std::function<void(const std::string&)>& write) {
  // Written step by step: a recording may have a million calls.
  write("{\"a\":" + json::serialize(json_of(a)) + ",\"b\":" + json::serialize(json_of(b)) + ",\"scenario_steps\":[");
  run_diff d(a.run, b.run);
  diff_summary sum;
  const char* separator = "\n";
  d.each_step([&](const step_diff& s) {
    sum.add(s);
    write(std::exchange(separator, ",\n") + json::serialize(json_of(s)));
  });
  sum.end(d, a.run, b.run);
  write("\n],\"sum\":" + json::serialize(json_of(sum)) + "}\n");
  return sum.alike();
}

}  // namespace pvmmu::tools
