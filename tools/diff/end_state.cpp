#include "tools/diff/end_state.h"

#include "tools/report/changes_text.h"

namespace pvmmu::tools {

namespace {

std::string state_text(const xen::page_info& page) {
  return fmt::format("type count {}, count {}{}{}", page.type_count(), page.ref_count(),
                     (page.type_info & xen::PGT_pinned) != 0 ? ", pinned" : "",
                     (page.type_info & xen::PGT_partial) != 0 ? ", partially validated" : "");
}

/// "type count 1, count 3", or of several "2× type count 1, count 3; …".
std::string joined(const std::multiset<std::string>& states) {
  std::string text;
  for (auto at = states.begin(); at != states.end(); at = states.upper_bound(*at)) {
    const std::size_t n = states.count(*at);
    text += fmt::format("{}{}{}", text.empty() ? "" : "; ", n == 1 ? "" : fmt::format("{}× ", n), *at);
  }
  return text;
}

template <class Value, class Text>
void add_differences(const std::map<std::string, Value>& a, const std::map<std::string, Value>& b, Text&& text,
                     std::vector<end_difference>& found) {
  for (const auto& [what, value] : a) {
    const auto other = b.find(what);
    if (other == b.end())
      found.push_back({what, text(value), ""});
    else if (value != other->second)
      found.push_back({what, text(value), text(other->second)});
  }
  for (const auto& [what, value] : b)
    if (!a.contains(what)) found.push_back({what, "", text(value)});
}

}  // namespace

end_state end_state_of(const xen::machine& m, const frame_roles& roles) {
  end_state end;
  for (u64 n = 0; n < m.config().frames; ++n) {
    const xen::page_info& page = m.page({n});
    if (page.type_count() == 0) continue;
    if (xen::table_level(page.type_info) != 0)
      end.tables[roles.role({n})].insert(state_text(page));
    else
      ++end.frames[fmt::format("{} frames", frame_type_name(page.type_info))];
  }
  return end;
}

std::vector<end_difference> differences(const end_state& a, const end_state& b) {
  std::vector<end_difference> found;
  add_differences(a.tables, b.tables, joined, found);
  add_differences(a.frames, b.frames, [](u64 n) { return fmt::format("{}", n); }, found);
  return found;
}

}  // namespace pvmmu::tools
