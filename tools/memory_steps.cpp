#include "tools/memory_steps.h"

#include <functional>

#include "proto/abi/errno.h"
#include "tools/scenario_names.h"

namespace pvmmu::tools {

namespace sc = pvmmu::scenario;

namespace {

/// Linux's SIGSEGV, as an mm_error has it for an access that its process dies of.
constexpr int linux_sigsegv = 11;

guest::prot protection(const sc::mprotect& m) {
  if (m.none()) return guest::prot::none;
  return m.read_only() ? guest::prot::read : guest::prot::read_write;
}

guest::mapping mapping_of(const sc::mmap& m) {
  guest::mapping what(m.read_only() ? guest::prot::read : guest::prot::read_write);
  if (m.executable()) what.access = guest::prot::read_exec;
  if (m.none()) what.access = guest::prot::none;
  if (m.shared()) what.kind = guest::vma_kind::shared;
  if (!m.file().empty()) what.kind = guest::vma_kind::file;
  what.file = m.file();
  what.pgoff = m.file_page();
  what.grows_down = m.grows_down();
  what.locked = m.locked();
  what.huge = m.huge();
  return what;
}

/// One step, and the vCPU and address spaces that it names.
class memory_step {
 public:
  memory_step(const sc::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome)
      : step_(step), cpu_(step.vcpu()), k_(k), spaces_(spaces), outcome_(outcome) {}

  void perform();

 private:
  using region_call = guest::mm_result<void> (guest::kernel::*)(vcpu_id_t, guest::mm&, u64, u64);

  guest::mm& mm(const auto& m) { return spaces_.at(m.mm(), cpu_); }
  void done(const guest::mm_result<void>& r) {
    if (!r) set_error(outcome_, r.error());
  }
  void region(region_call call, const auto& r) { done((k_.*call)(cpu_, mm(r), r.va(), r.bytes())); }
  void touch(const sc::touch& t);
  void read(u64 va, guest::mm& from);

  const sc::step& step_;
  const vcpu_id_t cpu_;
  guest::kernel& k_;
  address_spaces& spaces_;
  step_outcome& outcome_;
};

void memory_step::read(u64 va, guest::mm& from) {
  const auto value = k_.read(cpu_, from, va);
  if (value)
    outcome_.value = *value;
  else
    set_error(outcome_, value.error());
}

void memory_step::touch(const sc::touch& t) {
  for (u64 va = t.va(); va < t.va() + t.bytes() && outcome_.error.empty(); va += PAGE_SIZE) {
    if (t.read())
      read(va, mm(t));
    else
      done(k_.write(cpu_, mm(t), va, va));
  }
}

void memory_step::perform() {
  using guest::kernel;
  switch (step_.action_case()) {
    case sc::step::kCreateFile:
      return done(k_.create_file(cpu_, step_.create_file().name(), step_.create_file().bytes(),
                                 step_.create_file().folio_order()));
    case sc::step::kMmap: {
      const auto& m = step_.mmap();
      return done(k_.mmap(cpu_, mm(m), m.va(), m.bytes(), mapping_of(m)));
    }
    case sc::step::kMunmap: return region(&kernel::munmap, step_.munmap());
    case sc::step::kBrk: return done(k_.brk(cpu_, mm(step_.brk()), step_.brk().start(), step_.brk().end()));
    case sc::step::kMremap: {
      const auto& m = step_.mremap();
      const u64 new_bytes = m.has_new_bytes() ? m.new_bytes() : m.bytes();
      const auto to = m.has_new_va() ? std::optional<u64>(m.new_va()) : std::nullopt;
      return done(k_.mremap(cpu_, mm(m), m.old_va(), m.bytes(), new_bytes, to));
    }
    case sc::step::kMprotect: {
      const auto& m = step_.mprotect();
      return done(k_.mprotect(cpu_, mm(m), m.va(), m.bytes(), protection(m)));
    }
    case sc::step::kMadviseDontneed: return region(&kernel::madvise_dontneed, step_.madvise_dontneed());
    case sc::step::kMlock: return region(&kernel::mlock, step_.mlock());
    case sc::step::kMunlock: return region(&kernel::munlock, step_.munlock());
    case sc::step::kUffdioRegister: return region(&kernel::uffdio_register, step_.uffdio_register());
    case sc::step::kUffdioCopy: {
      const auto& u = step_.uffdio_copy();
      return done(k_.uffdio_copy(cpu_, mm(u), u.va(), u.from(), u.bytes()));
    }
    case sc::step::kUffdioMove: {
      const auto& u = step_.uffdio_move();
      return done(k_.uffdio_move(cpu_, mm(u), u.va(), u.from(), u.bytes()));
    }
    case sc::step::kTouch: return touch(step_.touch());
    case sc::step::kWrite: return done(k_.write(cpu_, mm(step_.write()), step_.write().va(), step_.write().value()));
    case sc::step::kRead: return read(step_.read().va(), mm(step_.read()));
    case sc::step::kPageReferenced: {
      const auto& r = step_.page_referenced();
      if (auto used = k_.page_referenced(cpu_, mm(r), r.va()); !used) set_error(outcome_, used.error());
      return;
    }
    default: break;
  }
}

}  // namespace

void set_error(step_outcome& outcome, const guest::mm_error& e) {
  outcome.error = e.error == linux_sigsegv ? std::string(sigsegv) : std::string(errno_name(-e.error));
  if (e.error == guest::faults_for_ever) outcome.error = "faults for ever";
  if (outcome.error.empty()) outcome.error = fmt::format("{}", -e.error);
  outcome.error_text = e.text;
}

void perform_memory_step(const sc::step& step, guest::kernel& k, address_spaces& spaces, step_outcome& outcome) {
  memory_step(step, k, spaces, outcome).perform();
}

}  // namespace pvmmu::tools
