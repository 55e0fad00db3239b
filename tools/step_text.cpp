#include "tools/step_text.h"

#include <fmt/format.h>

#include <array>

#include "proto/abi/frame.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

std::string of_mm(const std::string& mm) { return mm.empty() ? "" : fmt::format(" of {}", mm); }

template <class Region>
std::string region_text(std::string_view what, const Region& r) {
  return fmt::format("{} {:#x}, {}{}", what, r.va(), bytes_text(r.bytes()), of_mm(r.mm()));
}

std::string access_text(const sc::access& a) {
  static constexpr std::array kinds{"load", "store", "xchg", "cmpxchg", "load of a selector"};
  return fmt::format("{} by {} mode", kinds.at(static_cast<std::size_t>(a.kind())),
                     a.mode() == sc::access::USER ? "user" : "kernel");
}

std::string call_text(const sc::hypercall& h) {
  const auto* field = h.GetDescriptor()->FindFieldByNumber(h.call_case());
  return fmt::format("hypercall {}", h.has_unknown() ? fmt::format("{}", h.unknown()) : field->name());
}

}  // namespace

std::string bytes_text(u64 bytes) {
  static constexpr std::array units{"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (unit + 1 < units.size() && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", bytes, units[unit]);
}

std::string action_text(const sc::step& s) {
  switch (s.action_case()) {
    case sc::step::kExec: return fmt::format("exec {}", s.exec().mm());
    case sc::step::kMmAlloc: return fmt::format("mm_alloc {}", s.mm_alloc().mm());
    case sc::step::kActivateMm: return fmt::format("activate_mm {}", s.activate_mm().mm());
    case sc::step::kSwitchMm:
      return fmt::format("switch_mm to {}", s.switch_mm().mm().empty() ? "a kernel thread" : s.switch_mm().mm());
    case sc::step::kExitMmap: return fmt::format("exit_mmap {}", s.exit_mmap().mm());
    case sc::step::kFork: return fmt::format("fork {}{}", s.fork().child(), of_mm(s.fork().mm()));
    case sc::step::kMmap: return region_text("mmap", s.mmap()) + (s.mmap().read_only() ? ", read-only" : "");
    case sc::step::kMunmap: return region_text("munmap", s.munmap());
    case sc::step::kMprotect:
      return region_text("mprotect", s.mprotect()) + (s.mprotect().read_only() ? " to read-only" : " to writable");
    case sc::step::kTouch: return region_text("touch", s.touch());
    case sc::step::kMremap:
      return fmt::format("mremap {:#x} → {:#x}, {}{}", s.mremap().old_va(), s.mremap().new_va(),
                         bytes_text(s.mremap().bytes()), of_mm(s.mremap().mm()));
    case sc::step::kWrite:
      return fmt::format("write {:#x} to {:#x}{}", s.write().value(), s.write().va(), of_mm(s.write().mm()));
    case sc::step::kRead: return fmt::format("read {:#x}{}", s.read().va(), of_mm(s.read().mm()));
    case sc::step::kSuspend: return "suspend";
    case sc::step::kResume: return "resume";
    case sc::step::kAllocFrame: return fmt::format("alloc_frame \"{}\"", s.alloc_frame().name());
    case sc::step::kHypercall: return call_text(s.hypercall());
    case sc::step::kAccess: return access_text(s.access());
    case sc::step::ACTION_NOT_SET: break;
  }
  return "nothing";
}

}  // namespace pvmmu::tools
