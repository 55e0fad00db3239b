#include "tools/report/report.h"

#include <algorithm>

#include "proto/abi/frame.h"
#include "tools/report/act_text.h"
#include "tools/report/changes_text.h"
#include "tools/report/fold.h"
#include "tools/report/paint.h"
#include "tools/report/step_text.h"
#include "tools/report/tally.h"

namespace pvmmu::tools {

namespace {

constexpr unsigned indent = 2;  // columns

std::string domain_text(const domain_log& d) {
  std::string text = fmt::format("d{} ({})  {}, {}", d.domid, d.kind == domain_kind::dom0 ? "dom0" : "domU",
                                 count_text(d.pages, "page"), count_text(d.vcpus, "vCPU"));
  if (d.kernel.empty()) return text + ", no kernel";
  return text + fmt::format(", Linux {}, NR_CPUS={}: {} page-table locks", d.kernel, d.nr_cpus,
                            d.split_ptlocks ? "split" : "no split");
}

text_block title_block(const journal& j) {
  text_block lines;
  lines.push_back({line_role::heading, 0, j.title.empty() ? j.file : j.title});
  lines.push_back({line_role::dim, 0, j.file});
  lines.push_back({line_role::dim, 0,
                   fmt::format("Xen 4.17, {} build, {} of memory{}", j.machine.debug_build ? "debug" : "release",
                               bytes_text(j.machine.frames * PAGE_SIZE), j.machine.tlb ? ", with TLBs" : "")});
  for (const domain_log& d : j.domains) {
    lines.push_back({line_role::dim, 0, domain_text(d)});
    for (const changed_item& i : d.items)
      lines.push_back({line_role::message, indent,
                       fmt::format("but {}={}, which is {} in Linux {}", i.name, i.value, i.of_profile, d.kernel)});
  }
  return lines;
}

text_block entry_block(const std::variant<act, linux_line, interlude>& entry, const journal& j) {
  if (const act* a = std::get_if<act>(&entry)) {
    const bool name_domain =
        j.domains.size() > 1 || std::ranges::any_of(j.domains, [](const auto& d) { return d.vcpus > 1; });
    return act_text(*a, j.frame_names, name_domain);
  }
  if (const interlude* i = std::get_if<interlude>(&entry)) return {{line_role::heading, indent, i->text}};
  return {{line_role::message, indent, "Linux: " + std::get<linux_line>(entry).text}};
}

text_block step_block(const step_log& s, std::size_t number, const journal& j) {
  text_block lines{{line_role::heading, 0, fmt::format("step {}  {}", number, s.action)}};
  if (!s.note.empty()) lines.push_back({line_role::dim, indent, s.note});
  std::vector<text_block> entries;
  for (const auto& e : s.entries)
    if (const act* a = std::get_if<act>(&e); a == nullptr || !is_silent(*a)) entries.push_back(entry_block(e, j));
  text_block folded = fold(std::move(entries), "call");
  lines.insert(lines.end(), folded.begin(), folded.end());
  if (const std::string sum = tally_text(tally_of(s)); !sum.empty())
    lines.push_back({line_role::dim, indent, "Σ " + sum});
  for (const finding& f : s.findings)
    lines.push_back(
        {line_role::bad, indent, fmt::format("✗ {}: {}: expected {}, got {}", f.where, f.what, f.expected, f.got)});
  if (s.findings.empty() && s.expectations != 0)
    lines.push_back({line_role::good, indent, fmt::format("✓ {} met", count_text(s.expectations, "expectation"))});
  return lines;
}

}  // namespace

std::string text_report(const journal& j, bool colored) {
  std::string text = paint(title_block(j), colored);
  for (std::size_t i = 0; i < j.steps.size(); ++i) text += "\n" + paint(step_block(j.steps[i], i + 1, j), colored);
  const u64 findings = j.count_findings();
  const std::string verdict = findings == 0 ? "all as expected" : count_text(findings, "finding");
  text += "\n" +
          paint(fmt::format("{}: {}, {}", j.file, count_text(j.steps.size(), "step"), verdict),
                findings == 0 ? line_role::good : line_role::bad, colored) +
          "\n";
  return text;
}

}  // namespace pvmmu::tools
