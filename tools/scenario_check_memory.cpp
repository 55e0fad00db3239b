#include <fmt/format.h>

#include "tools/scenario_checker.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

void scenario_checker::check_memory_step(const sc::step& s) {
  switch (s.action_case()) {
    case sc::step::kCreateFile: check_create_file(s.create_file()); break;
    case sc::step::kMmap: check_mmap(s.mmap()); break;
    case sc::step::kMunmap: check_region(s.munmap()); break;
    case sc::step::kMprotect: check_region(s.mprotect()); break;
    case sc::step::kMadviseDontneed: check_region(s.madvise_dontneed()); break;
    case sc::step::kMlock: check_region(s.mlock()); break;
    case sc::step::kMunlock: check_region(s.munlock()); break;
    case sc::step::kUffdioRegister: check_region(s.uffdio_register()); break;
    case sc::step::kUffdioCopy: check_two_regions(s.uffdio_copy()); break;
    case sc::step::kUffdioMove: check_two_regions(s.uffdio_move()); break;
    case sc::step::kTouch: check_region(s.touch()); break;
    case sc::step::kMremap: check_mremap(s.mremap()); break;
    case sc::step::kBrk:
      check_mm(s.brk(), s.brk().mm(), true);
      in_range(s.brk(), "start", s.brk().start(), 0, end_of_user_space - 1);
      in_range(s.brk(), "end", s.brk().end(), 0, end_of_user_space - 1);
      break;
    case sc::step::kWrite:
      check_mm(s.write(), s.write().mm(), true);
      check_word_at(s.write(), s.write().va());
      break;
    case sc::step::kRead:
      check_mm(s.read(), s.read().mm(), true);
      check_word_at(s.read(), s.read().va());
      break;
    case sc::step::kPageReferenced:
      check_mm(s.page_referenced(), s.page_referenced().mm(), true);
      check_word_at(s.page_referenced(), s.page_referenced().va());
      break;
    default: break;
  }
}

void scenario_checker::check_create_file(const sc::create_file& f) {
  need(!f.name().empty(), f, "a name: expected name: \"data\"");
  if (f.bytes() == 0 || f.bytes() % PAGE_SIZE != 0 || f.bytes() > domain_pages() * PAGE_SIZE)
    file_.fail(f, "bytes",
               fmt::format("bytes is {:#x}: expected whole pages, at least one, of the domain's {}", f.bytes(),
                           domain_pages()));
  in_range(f, "folio_order", f.folio_order(), 0, 9);
  if (!files_.emplace(domid_, f.name()).second)
    file_.fail(f, "name", fmt::format("file \"{}\" exists already: expected a new name", f.name()));
}

void scenario_checker::check_mmap(const sc::mmap& m) const {
  check_region(m);
  if (m.read_only() + m.none() + m.executable() > 1)
    file_.fail(m, {}, "expected at most one of read_only, none and executable");
  if (m.huge() && !m.shared()) file_.fail(m, "huge", "huge pages are mapped shared: expected shared: true");
  if (m.shared() && !m.file().empty()) file_.fail(m, "shared", "a file's pages are mapped private: expected no shared");
  if (!m.file().empty() && !files_.contains({domid_, m.file()}))
    file_.fail(m, "file", fmt::format("there is no file \"{}\" here: expected one of create_file's", m.file()));
}

template <class Region>
void scenario_checker::check_region(const Region& r) const {
  check_mm(r, r.mm(), true);
  check_range(r, "va", r.va(), r.bytes());
}

template <class Regions>
void scenario_checker::check_two_regions(const Regions& r) const {
  check_region(r);
  check_range(r, "from", r.from(), r.bytes());
}

void scenario_checker::check_mremap(const sc::mremap& r) const {
  check_mm(r, r.mm(), true);
  check_range(r, "old_va", r.old_va(), r.bytes());
  const char* const where = r.has_new_va() ? "new_va" : "old_va";
  const u64 new_va = r.has_new_va() ? r.new_va() : r.old_va();
  check_range(r, where, new_va, r.bytes());
  if (r.has_new_bytes()) check_range(r, where, new_va, r.new_bytes(), "new_bytes");
}

void scenario_checker::check_range(const message& m, std::string_view field, u64 va, u64 bytes,
                                   std::string_view size) const {
  if (va % PAGE_SIZE != 0 || va >= end_of_user_space)
    file_.fail(m, field, fmt::format("{} is {:#x}: expected whole pages below {:#x}", field, va, end_of_user_space));
  if (bytes == 0 || bytes % PAGE_SIZE != 0 || bytes > end_of_user_space - va)
    file_.fail(
        m, size,
        fmt::format("{} is {:#x}: expected whole pages, at least one, below {:#x}", size, bytes, end_of_user_space));
}

void scenario_checker::check_word_at(const message& m, u64 va) const {
  if (va % 8 != 0 || va >= end_of_user_space)
    file_.fail(m, "va", fmt::format("va is {:#x}: expected a multiple of 8 below {:#x}", va, end_of_user_space));
}

}  // namespace pvmmu::tools
