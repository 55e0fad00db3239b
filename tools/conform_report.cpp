#include "tools/conform_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <iterator>

#include "tools/conform/only.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

/// A campaign that reaches a cell less often says little about it.
constexpr u64 least_count = 100;

/// "call 1  mmu_update  real 0 | model -EINVAL", a line a call.
std::string side_by_side(const lab::program& p, const lab::program_answer& real, const lab::program_answer& model) {
  std::string text;
  const auto side = [](const lab::program_answer& a, std::size_t call) {
    return call < a.calls.size() ? conform::describe(a.calls[call]) : std::string("the domain is dead");
  };
  for (std::size_t i = 0; i < p.calls.size(); ++i) {
    const std::string r = side(real, i), m = side(model, i);
    fmt::format_to(std::back_inserter(text), "  call {:<3} {:<18} real {:<32} model {}\n", i,
                   conform::name_of(p.calls[i]), r, r == m ? "the same" : m);
  }
  return text;
}

std::string where_text(const conform::difference& d) {
  return fmt::format("  differs at {}\n    real   {}\n    model  {}\n", d.where, d.real, d.model);
}

json::object difference_json(const conform::difference& d) {
  return {{"where", d.where}, {"real", d.real}, {"model", d.model}};
}

std::string campaign_text(const conform_report& report) {
  std::string text;
  const conform::campaign_report& c = report.campaign;
  for (std::size_t i = 0; i < c.found.size(); ++i) {
    const conform::finding& f = c.found[i];
    text +=
        fmt::format("difference {}, shrunk to {} calls, saved as {}\n", i + 1, f.program.calls.size(), report.saved[i]);
    text += side_by_side(f.program, f.real, f.model) + where_text(f.differs);
  }
  for (const conform::difference& d : c.shared) text += "in what all programs of a boot share\n" + where_text(d);
  text += c.outcomes.text(least_count);
  for (const conform::difference& d : c.once) text += "\nonce, and not when the program ran again\n" + where_text(d);
  if (c.preempted != 0)
    text += fmt::format("\n{} programs are equal only where the model is preempted as the real Xen was\n", c.preempted);
  return text + fmt::format("\nseed {}: {} programs, {} boots of Xen {}\n", *report.seed, c.programs, c.boots,
                            report.xen_version);
}

std::string files_text(const conform_report& report) {
  std::string text;
  for (std::size_t i = 0; i < report.checked.size(); ++i) {
    const conform::checked_program& c = report.checked[i];
    const conform::named_program& p = report.programs[i];
    text += fmt::format("{}: {}\n", p.title,
                        c.differs         ? "differs"
                        : c.unmet.empty() ? "as on the real Xen"
                                          : "equal, but not what the file expects");
    if (c.differs) text += side_by_side(p.program, c.real, c.model) + where_text(*c.differs);
    for (const std::string& line : c.unmet) text += "  " + line + "\n";
  }
  return text + fmt::format("\n{} programs, Xen {}\n", report.programs.size(), report.xen_version);
}

}  // namespace

u64 conform_report::calls() const {
  u64 sum = campaign.calls;
  for (const conform::named_program& p : programs) sum += p.program.calls.size();
  return sum;
}

u64 conform_report::differ() const {
  return campaign.differ +
         static_cast<u64>(std::ranges::count_if(checked, [](const auto& c) { return c.differs.has_value(); }));
}

u64 conform_report::unmet() const {
  u64 sum = 0;
  for (const conform::checked_program& c : checked) sum += c.unmet.size();
  return sum;
}

std::string report_text(const conform_report& report) {
  const std::string text = report.seed ? campaign_text(report) : files_text(report);
  const std::string unmet = report.unmet() == 0 ? "" : fmt::format("{} expectations not met, ", report.unmet());
  return text + fmt::format("{}{} calls, {} differ\n", unmet, report.calls(), report.differ());
}

std::string report_json(const conform_report& report) {
  json::object all{
      {"xen", report.xen_version}, {"calls", report.calls()}, {"differ", report.differ()}, {"unmet", report.unmet()}};
  json::array differences;
  for (std::size_t i = 0; i < report.campaign.found.size(); ++i) {
    json::object d = difference_json(report.campaign.found[i].differs);
    d["file"] = report.saved[i];
    differences.push_back(std::move(d));
  }
  for (const conform::difference& d : report.campaign.shared) differences.push_back(difference_json(d));
  for (std::size_t i = 0; i < report.checked.size(); ++i) {
    if (!report.checked[i].differs) continue;
    json::object d = difference_json(*report.checked[i].differs);
    d["title"] = report.programs[i].title;
    differences.push_back(std::move(d));
  }
  all["differences"] = std::move(differences);
  if (report.seed) {
    all["seed"] = *report.seed;
    all["programs"] = report.campaign.programs;
    all["boots"] = report.campaign.boots;
    all["preempted"] = report.campaign.preempted;
    json::array once;
    for (const conform::difference& d : report.campaign.once) once.push_back(difference_json(d));
    all["once"] = std::move(once);
    all["outcomes"] = json::parse(report.campaign.outcomes.json());
  }
  return json::serialize(all) + "\n";
}

}  // namespace pvmmu::tools
