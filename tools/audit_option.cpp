#include "tools/audit_option.h"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>

#include "tools/report/paint.h"
#include "tools/why/account_text.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

json::object json_of(const violation& v) {
  json::array findings;
  for (const xen::audit_finding& f : v.findings)
    findings.push_back(
        json::object{{"invariant", f.invariant}, {"mfn", fmt::format("{:#x}", f.mfn.n)}, {"text", f.text}});
  return {{"step", v.step}, {"findings", std::move(findings)}, {"why", account_json(v.account)}};
}

}  // namespace

void audit_option::add_to(CLI::App& command) {
  const std::map<std::string, audit_when> words{{"each", audit_when::each}, {"end", audit_when::end}};
  command.add_option("--audit", when, "Recount all references from memory: behind each step, or at the end")
      ->transform(CLI::CheckedTransformer(words).description(""))
      ->type_name("each|end");
}

json::value audit_option::audit(const std::string& path, context& ctx) const {
  timeline t = timeline::open(path, ctx.shows_progress());
  const std::optional<violation> broken = audit_steps(t, *when, ctx.shows_progress());
  if (broken) ctx.status = exit_status::finding;
  const std::string where = *when == audit_when::end ? "behind the last of" : "behind each of";
  const std::string sound = fmt::format("audited {} {}: sound\n", where, count_text(t.size(), "step"));
  if (!ctx.json) write_result(broken ? paint(violation_text(*broken), ctx.colored()) : sound);
  json::object o{{"steps", t.size()}, {"violation", nullptr}};
  if (broken) o["violation"] = json_of(*broken);
  return o;
}

}  // namespace pvmmu::tools
