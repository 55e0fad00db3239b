#include "tools/entry_flags.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace pvmmu::tools {

std::string flags_text(u64 flags) {
  static constexpr std::array<std::pair<u64, std::string_view>, 12> names{{{PAGE_PRESENT, "P"},
                                                                           {PAGE_RW, "RW"},
                                                                           {PAGE_USER, "US"},
                                                                           {PAGE_PWT, "PWT"},
                                                                           {PAGE_PCD, "PCD"},
                                                                           {PAGE_ACCESSED, "A"},
                                                                           {PAGE_DIRTY, "D"},
                                                                           {PAGE_PSE, "PSE"},
                                                                           {PAGE_GLOBAL, "G"},
                                                                           {PAGE_GUEST_KERNEL, "GK"},
                                                                           {PAGE_GNTTAB, "GNTTAB"},
                                                                           {PAGE_NX, "NX"}}};
  std::string text;
  for (const auto& [bit, name] : names) {
    if ((flags & bit) != 0) text += fmt::format("{}{}", text.empty() ? "" : "|", name);
    flags &= ~bit;
  }
  return flags == 0 ? text : fmt::format("{}|{:#x}", text, flags);
}

}  // namespace pvmmu::tools
