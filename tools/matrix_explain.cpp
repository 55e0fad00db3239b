// The sentences below the matrix. Each is tied to what the rows hold; none claims what did not happen in this run.

#include <algorithm>
#include <set>

#include "tools/matrix.h"
#include "tools/report/fold.h"

namespace pvmmu::tools {

namespace {

using rows_of = std::vector<const matrix_row*>;

template <class Wanted>
rows_of rows_where(const matrix& m, Wanted wanted) {
  rows_of rows;
  for (const matrix_row& r : m.rows)
    if (wanted(r)) rows.push_back(&r);
  return rows;
}

std::string kernels_text(const rows_of& rows) {
  std::string text;
  for (std::size_t i = 0; i < rows.size(); ++i)
    text += (i == 0 ? "" : i + 1 == rows.size() ? " and " : ", ") + std::string(rows[i]->profile->name);
  return text;
}

const std::string* find_message(const matrix_row& r, std::string_view part) {
  const auto at =
      std::ranges::find_if(r.messages, [&](const auto& line) { return line.find(part) != std::string::npos; });
  return at == r.messages.end() ? nullptr : &*at;
}

/// "512", or "512 to 1024".
template <class Value>
std::string range_text(const rows_of& rows, Value value) {
  std::set<u64> values;
  for (const auto* r : rows) values.insert(value(*r));
  return values.size() == 1 ? fmt::format("{}", *values.begin())
                            : fmt::format("{} to {}", *values.begin(), *values.rbegin());
}

void explain_split(const matrix& m, std::vector<std::string>& out) {
  const rows_of split = rows_where(m, [](const auto& r) { return r.split; });
  const bool never_dropped = std::ranges::all_of(split, [](const auto* r) {
    return r->measured.validated_again == 0 && r->measured.lowest_l1_type_count.value_or(1) > 0;
  });
  if (!never_dropped) return;
  const rows_of moved = rows_where(m, [](const auto& r) { return r.split && r.measured.lowest_l1_type_count; });
  if (moved.empty()) return;
  out.push_back(fmt::format(
      "With split page-table locks each L1 is pinned, and the pin holds a type reference of its own: the L1's type "
      "count "
      "never falls below {} ({}), so Xen validates no entry again.",
      range_text(moved, [](const auto& r) { return *r.measured.lowest_l1_type_count; }), kernels_text(moved)));
}

void explain_not_split(const matrix& m, std::vector<std::string>& out) {
  const rows_of again = rows_where(m, [](const auto& r) {
    return !r.split && r.measured.lowest_l1_type_count == 0 && r.measured.validated_again != 0;
  });
  if (again.empty()) return;
  out.push_back(fmt::format(
      "Without them no L1 is pinned (xen_pte_lock answers NULL) and the L2 entry's reference is the only one: clearing "
      "the entry takes the type count to 0, so Xen takes the table down ({} entries) and validates it again ({} "
      "entries): "
      "{}.",
      range_text(again, [](const auto& r) { return r.measured.devalidated; }),
      range_text(again, [](const auto& r) { return r.measured.validated_again; }), kernels_text(again)));
}

void explain_by_entry(const matrix& m, std::vector<std::string>& out) {
  const rows_of trapped = rows_where(m, [](const auto& r) { return r.measured.traps != 0 && r.split; });
  if (trapped.empty()) return;
  out.push_back(
      fmt::format("{} move{} page by page: {} stores that Xen has to emulate (xchg on a read-only L1), and as many "
                  "entries set anew "
                  "in batches.",
                  kernels_text(trapped), trapped.size() == 1 ? "s" : "",
                  range_text(trapped, [](const auto& r) { return r.measured.traps; })));
}

void explain_failures(const matrix& m, std::vector<std::string>& out) {
  const rows_of failed = rows_where(m, [](const auto& r) { return r.measured.failed_calls != 0; });
  for (const auto* r : failed) {
    std::string text = fmt::format("{}, {}: {} refused: {}.", r->profile->name, r->split ? "split" : "not split",
                                   count_text(r->measured.failed_calls, "call"), r->sequence);
    if (!r->profile->alloc_ptpage_checks_pinned && r->sequence.find("pin L1 = -EINVAL") != std::string::npos)
      text +=
          " The move populates the new L2 entry through xen_alloc_ptpage, which pins the L1 without looking whether it "
          "is pinned already.";
    if (const std::string* said = find_message(*r, "already pinned"))
      text += fmt::format(" Xen says so: \"{}\".", *said);
    out.push_back(text);
  }
}

void explain_not_pinned(const matrix& m, std::vector<std::string>& out) {
  const rows_of rows = rows_where(m, [](const auto& r) { return find_message(r, "not pinned") != nullptr; });
  if (rows.empty()) return;
  const bool unguarded = std::ranges::all_of(rows, [](const auto* r) { return !r->profile->guards_l1_unpin; });
  const bool guarded_elsewhere = std::ranges::all_of(m.rows, [](const auto& r) {
    return find_message(r, "not pinned") != nullptr || r.profile->guards_l1_unpin || r.split;
  });
  std::string text = fmt::format("\"not pinned\" appears under {} only", kernels_text(rows));
  if (unguarded && guarded_elsewhere)
    text +=
        ", and for one reason: there, an L1 is pinned after activation only with split locks, but unpinned with or "
        "without. The other kernels unpin an L1 under the very condition under which they pin it (split locks), so "
        "without split locks they never unpin what was not pinned";
  out.push_back(text + ".");
}

void explain_stops(const matrix& m, std::vector<std::string>& out) {
  for (const matrix_row& r : m.rows)
    for (const finding& f : r.findings)
      out.push_back(fmt::format("{}, {}: {}: {}: expected {}, got {}", r.profile->name, r.split ? "split" : "not split",
                                f.where, f.what, f.expected, f.got));
}

}  // namespace

std::vector<std::string> explain(const matrix& m) {
  std::vector<std::string> out;
  explain_by_entry(m, out);
  explain_split(m, out);
  explain_not_split(m, out);
  explain_failures(m, out);
  explain_not_pinned(m, out);
  if (m.checked_reads != 0 && m.count_findings() == 0)
    out.push_back(
        fmt::format("In all {} runs memory held after the steps what was written before ({} checked in each).",
                    m.rows.size(), count_text(m.checked_reads, "read")));
  if (!m.debug_build)
    out.push_back(
        "This Xen is a release build, which prints little; machine { debug_build: true } tells why it refuses.");
  explain_stops(m, out);
  return out;
}

}  // namespace pvmmu::tools
