#include "tools/lab/fatal_line.h"

#include <array>
#include <utility>

namespace pvmmu::lab {

std::optional<std::string_view> fatal_meaning(std::string_view line) {
  using row = std::pair<std::string_view, std::string_view>;
  // Of several that match, the first counts.
  constexpr std::array meanings{
      // xen 4.17 pv/dom0_build.c, setup.c
      row{"Could not construct d", "Xen cannot build a domain of this kernel"},
      row{"Panic on CPU", "Xen panicked"},
      // xen 4.17 domain.c, traps.c
      row{"Domain 0 (vcpu#", "Xen has crashed the guest"},
      row{"domain_crash", "Xen has crashed the guest"},
      row{"Domain 0 crashed", "Xen has crashed the guest"},
      // xen 4.17 shutdown.c
      row{"Hardware Dom0 crashed", "the guest has crashed"},
      row{"Hardware Dom0", "the guest has shut the machine down"},
      // linux 6.1 exit.c, main.c, do_mounts.c
      row{"Attempted to kill init!", "/init ended, and the kernel with it"},
      row{"No working init found", "the initrd has no /init that can be run"},
      row{"Unable to mount root fs", "the initrd has no /init"},
      row{"Kernel panic", "the kernel panicked"},
  };
  for (const auto& [text, meaning] : meanings)
    if (line.find(text) != std::string_view::npos) return meaning;
  return std::nullopt;
}

}  // namespace pvmmu::lab
