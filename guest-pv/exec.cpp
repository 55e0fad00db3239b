#include "guest-pv/exec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "guest-pv/fault.h"
#include "guest-pv/mmap.h"
#include "guest-pv/mprotect.h"
#include "guest-pv/shift_arg_pages.h"
#include "guest-pv/tlb.h"

namespace pvmmu::guest {
namespace {

constexpr u64 STACK_TOP_MAX = TASK_SIZE;

constexpr u64 page_start(u64 va) { return va & ~PAGE_OFFSET_MASK; }
constexpr u64 page_align(u64 va) { return page_start(va + PAGE_OFFSET_MASK); }

mm_result<void> check_image(const kernel_state& k, const exec_image& image) {
  const auto stacks = std::ranges::count(image.areas, image_area::stack, &image_area::kind);
  if (stacks != 1) return refused(EINVAL, fmt::format("-EINVAL: an image has one stack, this one {}", stacks));
  for (const image_area& area : image.areas) {
    const u64 start = area.kind == image_area::bss ? page_start(area.va) : area.va;
    const u64 end = area.kind == image_area::bss ? page_align(area.va + area.len) : area.va + area.len;
    if (auto valid = check_user_range(start, end - start); !valid) return valid;
    const bool of_file = area.kind == image_area::text || area.kind == image_area::data;
    if (of_file && !k.files.contains(area.file)) {
      return refused(ENOENT, fmt::format("-ENOENT: there is no file \"{}\"", area.file));
    }
  }
  return {};
}

class program_loader {
 public:
  program_loader(kernel_state& k, mm& mm, const exec_image& image)
      : k_(k), mm_(mm), image_(image), stack_(*std::ranges::find(image.areas, image_area::stack, &image_area::kind)) {}

  mm_result<void> copy_strings();
  void setup_arg_pages();
  mm_result<void> map_areas();
  mm_result<void> create_elf_tables();

 private:
  mm_result<void> map_area(const image_area& area);
  mm_result<void> map_bss(const image_area& area);
  void install_special_mapping(const image_area& area);
  mm_result<void> write_pages_below(u64 end, u64 bytes);
  u64 stack_end() const { return stack_.va + stack_.len; }

  kernel_state& k_;
  mm& mm_;
  const exec_image& image_;
  const image_area& stack_;
};

/// get_arg_page, copy_to_user: writes to [end - bytes, end), the highest page first.
mm_result<void> program_loader::write_pages_below(u64 end, u64 bytes) {
  for (u64 va = page_start(end - 1); va + PAGE_SIZE > end - bytes; va -= PAGE_SIZE) {
    const u64 last_word = va + PAGE_SIZE - 8;
    if (auto done = access_user_memory(k_, mm_, last_word, fault_kind::write, 0); !done) {
      return std::unexpected(done.error());
    }
  }
  return {};
}

// bprm_mm_init and copy_strings: a stack at the highest place there is, in an address space that is loaded nowhere yet.
mm_result<void> program_loader::copy_strings() {
  const u64 start = STACK_TOP_MAX - PAGE_SIZE;
  vma stack{.start = start, .end = STACK_TOP_MAX, .access = prot::read_write, .pgoff = start >> PAGE_SHIFT};
  stack.grows_down = true;
  mm_.vmas.insert(stack);
  return write_pages_below(STACK_TOP_MAX, image_.strings);
}

// The flags of the area's protection change, its entries do not; they are written and flushed all the same. Then the
// stack moves to where it belongs, and grows to what it shall begin with.
void program_loader::setup_arg_pages() {
  vma stack = mm_.vmas.remove(0, STACK_TOP_MAX).front();
  mmu_gather tlb(k_, mm_);
  mm_.vmas.insert(stack);
  change_protection(tlb, stack);
  tlb.flush();
  if (stack_end() != STACK_TOP_MAX) shift_arg_pages(k_, mm_, stack, STACK_TOP_MAX - stack_end());
  stack = mm_.vmas.remove(0, STACK_TOP_MAX).front();
  stack.pgoff -= (stack.start - stack_.va) >> PAGE_SHIFT;
  stack.start = stack_.va;
  mm_.vmas.insert(stack);
}

mm_result<void> program_loader::map_areas() {
  for (const image_area& area : image_.areas) {
    if (auto done = map_area(area); !done) return done;
  }
  return {};
}

mm_result<void> program_loader::map_area(const image_area& area) {
  switch (area.kind) {
    case image_area::stack: return {};
    case image_area::bss: return map_bss(area);
    case image_area::vdso:
    case image_area::vvar: install_special_mapping(area); return {};
    default: break;
  }
  mapping what(area.kind == image_area::text ? prot::read_exec : prot::read_write);
  what.kind = vma_kind::file;
  what.file = area.file;
  what.pgoff = area.pgoff;
  mm_.start_brk = mm_.brk = std::max(mm_.brk, area.va + area.len);
  return do_mmap(k_, mm_, area.va, area.len, what);
}

// set_brk, padzero.
mm_result<void> program_loader::map_bss(const image_area& area) {
  const u64 start = page_align(area.va);
  const u64 end = page_align(area.va + area.len);
  mm_.start_brk = mm_.brk = std::max(mm_.brk, end);
  if (start < end) {
    if (auto done = do_mmap(k_, mm_, start, end - start, prot::read_write); !done) return done;
  }
  return start == area.va ? mm_result<void>{} : write_pages_below(start, 1);
}

// All processes see the same pages, which are made when the first one looks.
void program_loader::install_special_mapping(const image_area& area) {
  const bool data = area.kind == image_area::vvar;
  auto& pages = k_.files[data ? "[vvar]" : "[vdso]"];
  if (!pages) pages = std::make_shared<page_cache>(k_.pages, area.len >> PAGE_SHIFT);
  vma special{.start = area.va, .end = area.va + area.len, .access = data ? prot::read : prot::read_exec};
  special.kind = vma_kind::special;
  special.file = pages;
  special.pfnmap = data;
  mm_.vmas.insert(special);
}

mm_result<void> program_loader::create_elf_tables() {
  return write_pages_below(stack_end() - image_.strings, image_.tables);
}

}  // namespace

// begin_new_exec comes between the strings and the areas: exec_mmap makes the new address space the CPU's own, and the
// old one ends.
mm_result<void> do_execve(kernel_state& k, mm& next, const exec_image& image, mm* replaced) {
  if (auto valid = check_image(k, image); !valid) return valid;
  program_loader loader(k, next, image);
  if (auto done = loader.copy_strings(); !done) return done;
  k.pv->activate_mm(next);
  switch_mm(k, next);
  if (replaced) mmput(k, *replaced);
  loader.setup_arg_pages();
  if (auto done = loader.map_areas(); !done) return done;
  return loader.create_elf_tables();
}

}  // namespace pvmmu::guest
