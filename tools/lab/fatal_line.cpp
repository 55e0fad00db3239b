#include "tools/lab/fatal_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace pvmmu::lab {
namespace {

using meaning = std::pair<std::string_view, std::string_view>;

constexpr std::string_view panic = "Panic on CPU";

/// What is nearer to the reason comes first.
constexpr std::array meanings{
    // xen 4.17 setup.c
    meaning{"Could not construct domain", "Xen cannot make a PV domain of this kernel"},
    // xen 4.17 domain.c, traps.c
    meaning{"domain_crash", "Xen has crashed the guest"},
    meaning{" crashed on cpu#", "Xen has crashed the guest"},
    meaning{"Domain 0 crashed", "Xen has crashed the guest"},
    // linux 6.1 exit.c, main.c, do_mounts.c, panic.c, reboot.c
    meaning{"Attempted to kill init!", "/init has ended, and the kernel with it"},
    meaning{"No working init found", "the initrd has no /init that can be run"},
    meaning{"Unable to mount root fs", "the initrd has no /init that can be run"},
    meaning{"Kernel panic", "the kernel panicked"},
    meaning{"reboot: ", "the guest has turned the machine off"},
    // xen 4.17 printk.c, shutdown.c
    meaning{panic, "Xen panicked"},
    meaning{"Hardware Dom0", "the guest has died"},
};

/// Its row; the table's size if it has none.
std::size_t rank(std::string_view line) {
  const auto row = std::ranges::find_if(meanings, [&](const meaning& m) { return line.find(m.first) != line.npos; });
  return static_cast<std::size_t>(row - meanings.begin());
}

}  // namespace

bool is_fatal(std::string_view line) { return rank(line) < meanings.size(); }

std::string explain_death(std::span<const std::string> lines) {
  auto line = std::ranges::min_element(lines, {}, rank);
  const meaning& known = meanings.at(rank(*line));
  if (known.first == panic && std::next(line) != lines.end()) ++line;  // Xen says there why
  return fmt::format("{}: {}", known.second, *line);
}

}  // namespace pvmmu::lab
