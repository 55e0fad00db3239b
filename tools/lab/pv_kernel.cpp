#include "tools/lab/pv_kernel.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/abi/frame.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

// xen public/elfnote.h
constexpr u32 XEN_ELFNOTE_VIRT_BASE = 3;
constexpr u32 XEN_ELFNOTE_PADDR_OFFSET = 4;
constexpr u32 XEN_ELFNOTE_INIT_P2M = 15;
constexpr u32 XEN_ELFNOTE_MOD_START_PFN = 16;

class elf_file {
 public:
  explicit elf_file(const std::filesystem::path& file) : name_(file.string()) {
    std::ifstream in{file, std::ios::binary};
    bytes_.assign(std::istreambuf_iterator<char>{in}, {});
    const auto header = at<Elf64_Ehdr>(0);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof(Elf64_Phdr))
      refuse("no ELF64 file");
    for (u64 i = 0; i < header.e_phnum; ++i)
      segments_.push_back(at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr)));
  }

  [[noreturn]] void refuse(const char* why) const { throw lab_error(fmt::format("{}: {}", name_, why)); }

  /// The end of what is loaded, as a physical address.
  u64 loaded_end() const {
    u64 end = 0;
    for (const Elf64_Phdr& segment : segments_)
      if (segment.p_type == PT_LOAD) end = std::max(end, segment.p_paddr + segment.p_memsz);
    return end;
  }

  /// Xen's notes by their types: the first eight bytes of each, as a number.
  std::map<u32, u64> xens_notes() const {
    std::map<u32, u64> notes;
    for (const Elf64_Phdr& segment : segments_)
      if (segment.p_type == PT_NOTE) read_notes(segment.p_offset, segment.p_filesz, notes);
    return notes;
  }

 private:
  template <class T>
  T at(u64 offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) refuse("an ELF file that ends too early");
    T record;
    std::memcpy(&record, bytes_.data() + offset, sizeof record);
    return record;
  }

  void read_notes(u64 offset, u64 bytes, std::map<u32, u64>& notes) const {
    const auto padded = [](u64 size) { return (size + 3) & ~u64{3}; };
    for (const u64 end = offset + bytes; offset + sizeof(Elf64_Nhdr) <= end;) {
      const auto note = at<Elf64_Nhdr>(offset);
      const u64 name = offset + sizeof note;
      const u64 text = name + padded(note.n_namesz);
      constexpr u32 xen = 0x6e6558;  // "Xen" and its end
      if (note.n_namesz == sizeof xen && at<u32>(name) == xen)
        notes[note.n_type] = note.n_descsz >= sizeof(u64) ? at<u64>(text) : 0;
      offset = text + padded(note.n_descsz);
    }
  }

  std::string name_;
  std::vector<char> bytes_;
  std::vector<Elf64_Phdr> segments_;
};

}  // namespace

pv_kernel read_pv_kernel(const std::filesystem::path& file) {
  const elf_file elf{file};
  const auto notes = elf.xens_notes();
  if (!notes.contains(XEN_ELFNOTE_VIRT_BASE)) elf.refuse("no kernel for Xen: it has no note VIRT_BASE");
  if (notes.contains(XEN_ELFNOTE_INIT_P2M) || notes.contains(XEN_ELFNOTE_MOD_START_PFN))
    elf.refuse("its p2m list or its ramdisk lies outside of what Xen maps at the start, which is not modelled");
  const u64 virt_base = notes.at(XEN_ELFNOTE_VIRT_BASE);
  const auto paddr_offset = notes.find(XEN_ELFNOTE_PADDR_OFFSET);
  const u64 first_paddr = paddr_offset == notes.end() ? 0 : paddr_offset->second;
  const u64 end = elf.loaded_end();
  if (end <= first_paddr) elf.refuse("nothing of it is loaded behind its PADDR_OFFSET");
  return {virt_base, (end - first_paddr + PAGE_SIZE - 1) / PAGE_SIZE};
}

}  // namespace pvmmu::lab
