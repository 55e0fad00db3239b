#include "tools/report/step_text.h"

#include <fmt/format.h>

#include <array>

#include "proto/abi/frame.h"
#include "tools/kernel_memory_steps.h"

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

std::string mmap_text(const sc::mmap& m) {
  std::string text = region_text("mmap", m);
  if (m.read_only()) text += ", read-only";
  if (m.executable()) text += ", executable";
  if (m.none()) text += ", no access";
  if (m.shared()) text += ", shared";
  if (!m.file().empty()) text += fmt::format(", of \"{}\" from page {}", m.file(), m.file_page());
  if (m.grows_down()) text += ", growing down";
  if (m.locked()) text += ", locked";
  if (m.huge()) text += ", of huge pages";
  return text;
}

std::string mremap_text(const sc::mremap& m) {
  std::string size = bytes_text(m.bytes());
  if (m.has_new_bytes() && m.new_bytes() != m.bytes()) size += " → " + bytes_text(m.new_bytes());
  if (!m.has_new_va()) return fmt::format("mremap {:#x} in place, {}{}", m.old_va(), size, of_mm(m.mm()));
  return fmt::format("mremap {:#x} → {:#x}, {}{}", m.old_va(), m.new_va(), size, of_mm(m.mm()));
}

std::string mprotect_text(const sc::mprotect& m) {
  return region_text("mprotect", m) + (m.none() ? " to no access" : m.read_only() ? " to read-only" : " to writable");
}

template <class Regions>
std::string two_regions_text(std::string_view what, const Regions& r) {
  return fmt::format("{} {:#x} from {:#x}, {}{}", what, r.va(), r.from(), bytes_text(r.bytes()), of_mm(r.mm()));
}

std::string memory_text(const sc::step& s) {
  switch (s.action_case()) {
    case sc::step::kCreateFile:
      return fmt::format("create_file \"{}\", {}", s.create_file().name(), bytes_text(s.create_file().bytes()));
    case sc::step::kMmap: return mmap_text(s.mmap());
    case sc::step::kMunmap: return region_text("munmap", s.munmap());
    case sc::step::kMprotect: return mprotect_text(s.mprotect());
    case sc::step::kMadviseDontneed: return region_text("madvise_dontneed", s.madvise_dontneed());
    case sc::step::kBrk: return fmt::format("brk {:#x}{}", s.brk().end(), of_mm(s.brk().mm()));
    case sc::step::kMlock: return region_text("mlock", s.mlock());
    case sc::step::kMunlock: return region_text("munlock", s.munlock());
    case sc::step::kUffdioRegister: return region_text("uffdio_register", s.uffdio_register());
    case sc::step::kUffdioCopy: return two_regions_text("uffdio_copy", s.uffdio_copy());
    case sc::step::kUffdioMove: return two_regions_text("uffdio_move", s.uffdio_move());
    case sc::step::kTouch: return region_text(s.touch().read() ? "touch by reading" : "touch", s.touch());
    case sc::step::kMremap: return mremap_text(s.mremap());
    case sc::step::kWrite:
      return fmt::format("write {:#x} to {:#x}{}", s.write().value(), s.write().va(), of_mm(s.write().mm()));
    case sc::step::kRead: return fmt::format("read {:#x}{}", s.read().va(), of_mm(s.read().mm()));
    case sc::step::kPageReferenced:
      return fmt::format("page_referenced {:#x}{}", s.page_referenced().va(), of_mm(s.page_referenced().mm()));
    default: return {};
  }
}

std::string frame_text(const sc::frame& f) {
  switch (f.which_case()) {
    case sc::frame::kName: return fmt::format("\"{}\"", f.name());
    case sc::frame::kPfn: return fmt::format("pfn {:#x}", f.pfn());
    case sc::frame::kMappedAt: return fmt::format("the frame at {:#x}", f.mapped_at());
    default: return "a frame";
  }
}

std::string kernel_memory_text(const sc::step& s) {
  switch (s.action_case()) {
    case sc::step::kKfenceProtect: return "kfence_protect " + frame_text(s.kfence_protect().frame());
    case sc::step::kKfenceUnprotect: return "kfence_unprotect " + frame_text(s.kfence_unprotect().frame());
    case sc::step::kVmap: {
      std::string text = "vmap";
      for (const auto& f : s.vmap().frame()) text += " " + frame_text(f);
      return text;
    }
    case sc::step::kVunmap: return fmt::format("vunmap {:#x}", s.vunmap().va());
    case sc::step::kFreeFrame: return "free_frame " + frame_text(s.free_frame().frame());
    case sc::step::kBalloonOut: return "balloon_out " + frame_text(s.balloon_out().frame());
    case sc::step::kKernelRead:
      return fmt::format("the kernel reads {:#x}{}", s.kernel_read().va(),
                         s.kernel_read().in_lazy_mmu() ? " in lazy MMU mode" : "");
    case sc::step::kDebugFreePage: return "debug_free_page " + frame_text(s.debug_free_page().frame());
    case sc::step::kDebugAllocPage: return "debug_alloc_page " + frame_text(s.debug_alloc_page().frame());
    case sc::step::kCheckPtBase: return "check_pt_base " + frame_text(s.check_pt_base().frame());
    default: return {};
  }
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
    case sc::step::kExec:
      return fmt::format("exec {}{}", s.exec().mm(),
                         s.exec().replaces().empty() ? "" : fmt::format(" in the place of {}", s.exec().replaces()));
    case sc::step::kMmAlloc: return fmt::format("mm_alloc {}", s.mm_alloc().mm());
    case sc::step::kActivateMm: return fmt::format("activate_mm {}", s.activate_mm().mm());
    case sc::step::kSwitchMm:
      return fmt::format("switch_mm to {}", s.switch_mm().mm().empty() ? "a kernel thread" : s.switch_mm().mm());
    case sc::step::kExitMmap: return fmt::format("exit_mmap {}", s.exit_mmap().mm());
    case sc::step::kFork: return fmt::format("fork {}{}", s.fork().child(), of_mm(s.fork().mm()));
    case sc::step::kSuspend: return "suspend";
    case sc::step::kResume: return "resume";
    case sc::step::kAllocFrame: return fmt::format("alloc_frame \"{}\"", s.alloc_frame().name());
    case sc::step::kHypercall: return call_text(s.hypercall());
    case sc::step::kAccess: return access_text(s.access());
    case sc::step::ACTION_NOT_SET: return "nothing";
    default: return is_kernel_memory_step(s) ? kernel_memory_text(s) : memory_text(s);
  }
}

}  // namespace pvmmu::tools
