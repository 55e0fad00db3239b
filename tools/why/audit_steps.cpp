#include "tools/why/audit_steps.h"

#include <algorithm>
#include <unordered_map>

#include "tools/progress.h"
#include "tools/why/account_text.h"

namespace pvmmu::tools {
namespace {

constexpr std::size_t findings_shown = 10;

}  // namespace

step_audit::step_audit(timeline& t) : share_(t) {
  for (const xen::audit_finding& f : xen::audit(t.machine())) before_.emplace(f.invariant, f.mfn);
}

std::vector<xen::audit_finding> step_audit::findings(xen::machine& m) const {
  std::vector<xen::audit_finding> found = xen::audit(m);
  std::erase_if(found, [&](const xen::audit_finding& f) { return was_so(f); });
  // Frames of which Xen has a share: that and what is seen must be what the record says.
  std::vector<xen::audit_finding> ignored;
  const xen::recount seen(m, ignored);
  for (const auto& [mfn, share] : share_.all()) {
    const balance b = balance_of(m.page(mfn), seen.sum_of(mfn), share);
    if (b.adds_up()) continue;
    found.push_back({b.general_off() != 0 ? "I1" : "I2", mfn,
                     fmt::format("count {} and type count {}: {} and {} are not Xen's since before the recording, "
                                 "and not held by anybody else",
                                 b.count, b.type_count, b.general_off(), b.typed_off())});
  }
  std::ranges::stable_sort(found, {}, &xen::audit_finding::mfn);
  return found;
}

std::optional<violation> audit_steps(timeline& t, audit_when when, bool shows_progress) {
  const step_audit judge(t);
  progress bar("auditing", t.size(), shows_progress);
  std::vector<xen::audit_finding> broken;
  u64 at = 0;
  {
    xen::transition_audit watching(t.machine());
    for (u64 n = t.size() == 0 ? 0 : t.next(0); n != 0 && broken.empty(); n = t.next(n)) {
      t.go_to(at = n);
      bar.step();
      broken = watching.findings();
      if (when == audit_when::end && n != t.last()) continue;
      const auto state = judge.findings(t.machine());
      broken.insert(broken.end(), state.begin(), state.end());
    }
  }
  bar.clear();
  if (broken.empty()) return std::nullopt;
  const mfn_t mfn = broken.front().mfn;
  return violation{at, std::move(broken), account_for(t, judge.share(), mfn, at)};
}

text_block violation_text(const violation& v) {
  text_block lines{{line_role::bad, 0,
                    fmt::format("behind step {}, {}:", v.step, count_text(v.findings.size(), "violated invariant"))}};
  for (const xen::audit_finding& f : v.findings) {
    if (lines.size() > findings_shown) {
      lines.push_back({line_role::dim, 2, fmt::format("… and {} more", v.findings.size() - findings_shown)});
      break;
    }
    lines.push_back({line_role::bad, 2, fmt::format("{} mfn {:#x}: {}", f.invariant, f.mfn.n, f.text)});
  }
  for (text_line& line : account_text(v.account)) lines.push_back(std::move(line));
  return lines;
}

}  // namespace pvmmu::tools
