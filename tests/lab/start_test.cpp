// The domain that the model's builder makes for the probe, against the one that Xen's made for it: both as they are
// before the probe has asked for anything. Frames are compared through their place in the domain (pfn), because the
// real Xen's allocator gives others.
//
// Not compared, because it cannot be equal:
//   - The D bit of L1 entries where the real one has it: the processor sets it when Xen copies the image and writes the
//     p2m list through the domain's own tables, and when the probe runs. Whatever else differs is found.
//   - Whose frames Xen's slots of the L4 name, and the frames that Xen has for itself: the model's Xen is no memory.
//   - Free frames, and those of DOMID_XEN (the M2P): the model has them where somebody asks for them.
//   - nr_validated_ptes of complete tables, which nobody reads (xen 4.17 mm.c: devalidate_page sets it first).

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "hypervisor-model/domain_builder.h"
#include "proto/abi/hypercall.h"
#include "tools/lab/encode.h"
#include "tools/lab/lab.h"
#include "tools/lab/pv_kernel.h"

namespace pvmmu::lab {
namespace {

struct memory_sizes {
  u64 machine;  ///< MiB
  u64 dom0;
};

std::string line_of(const xen::page_info& pg) {
  return fmt::format("owner {:#x} count_info {:016x} type_info {:016x}", pg.owner, pg.count_info, pg.type_info);
}

class dom0_start : public testing::TestWithParam<memory_sizes> {
 protected:
  void SetUp() override {
    if (std::getenv("PVMMU_SKIP_LAB")) GTEST_SKIP() << "PVMMU_SKIP_LAB is set";
    real_boot = &boot(GetParam());
    const pv_kernel kernel = read_pv_kernel(PVMMU_PROBE);
    model_machine.emplace(machine_config{.frames = real().frames()});
    const auto built = xen::build_domain(*model_machine, {.kind = domain_kind::dom0,
                                                          .pages = GetParam().dom0 * 256,
                                                          .virt_base = kernel.virt_base,
                                                          .kernel_pages = kernel.pages,
                                                          .initrd_bytes = encode({}).size(),
                                                          .vm_assist_writable_pagetables = false});
    ASSERT_TRUE(built) << built.error();
    model_start = *built;
    model_pfns = pfns_of(model_start);
    real_pfns = pfns_of(real_start());
  }

  /// One boot for all tests of a size.
  static const session& boot(memory_sizes sizes) {
    static std::map<u64, session> booted;
    const auto found = booted.find(sizes.dom0);
    if (found != booted.end()) return found->second;
    const lab one{{.probe = PVMMU_PROBE, .megabytes = sizes.machine, .dom0_megabytes = sizes.dom0}};
    return booted.emplace(sizes.dom0, one.run({})).first->second;
  }

  const memory_image& real() const { return *real_boot->memory; }
  const start_info& real_start() const { return real_boot->facts.start; }
  xen::domain& dom0() { return *model_machine->find_domain(0); }

  static mfn_t at(const start_info& start, u64 pfn) {
    for (const p2m_run& run : start.p2m)
      if (run.pfn.n <= pfn && pfn < run.pfn.n + run.frames) return run.mfn + (pfn - run.pfn.n);
    throw std::out_of_range("no such pfn");
  }
  static std::map<mfn_t, u64> pfns_of(const start_info& start) {
    std::map<mfn_t, u64> pfns;
    for (const p2m_run& run : start.p2m)
      for (u64 i = 0; i < run.frames; ++i) pfns[run.mfn + i] = run.pfn.n + i;
    return pfns;
  }
  /// An entry with its frame's pfn in place of its mfn; as it is where the domain has no such frame.
  static std::string renamed(pte_t entry, const std::map<mfn_t, u64>& pfns) {
    const auto pfn = pfns.find(pte_mfn(entry));
    if (!present(entry) || pfn == pfns.end()) return fmt::format("{:016x}", entry);
    return fmt::format("pfn {:#x} flags {:016x}", pfn->second, entry & ~PTE_ADDR_MASK);
  }
  /// "mfn" of Xen's slots aside.
  static std::string without_frame(pte_t entry) { return fmt::format("{:016x}", entry & ~PTE_ADDR_MASK); }

  /// How many frames there are of each class, for these owners, a line a class.
  template <class FrameAt>
  static std::string histogram(u64 frames, FrameAt frame_at) {
    std::map<std::string, u64> classes;
    for (mfn_t mfn{0}; mfn.n < frames; ++mfn) {
      const xen::page_info pg = frame_at(mfn);
      if (pg.owner == xen::owner_of(0) || pg.owner == xen::owner_of(DOMID_IO)) ++classes[line_of(pg)];
    }
    std::string text;
    for (const auto& [name, count] : classes) text += fmt::format("{}: {}\n", name, count);
    return text;
  }

  /// What the real machine-to-phys table says, through Xen's slot 256: an L2 of superpages.
  u64 real_m2p(mfn_t mfn) const {
    const auto l3 = real().words(pte_mfn(real_boot->facts.xen_l4_slots[0]));
    const auto l2 = real().words(pte_mfn(l3[0]));
    constexpr u64 entries_per_superpage = (u64{2} << 20) / sizeof(u64);
    const u64 rest = mfn.n % entries_per_superpage;
    const mfn_t superpage = pte_mfn(l2[mfn.n / entries_per_superpage]);
    return real().words(superpage + rest / entries_per_table)[rest % entries_per_table];
  }

  void compare_table(u64 pfn, unsigned level);

  const session* real_boot = nullptr;
  std::optional<xen::machine> model_machine;
  start_info model_start;
  std::map<mfn_t, u64> model_pfns;
  std::map<mfn_t, u64> real_pfns;
};

// 640 MiB is what the lab gives to dom0. With 1600 MiB the stack ends so near to 4 MiB that the padding takes 4 MiB
// more, and two page tables.
INSTANTIATE_TEST_SUITE_P(sizes, dom0_start, testing::Values(memory_sizes{1024, 640}, memory_sizes{2000, 1600}),
                         [](const auto& sizes) { return fmt::format("{}_MiB", sizes.param.dom0); });

// The domain is told the same: where its tables are, how many, how much is mapped.
TEST_P(dom0_start, tells_the_same) {
  start_info real = real_start();
  real.p2m = model_start.p2m;
  EXPECT_EQ(model_start, real) << fmt::format(
      "mapped {:#x} against {:#x} pages, tables {} at {:#x} against {} at {:#x}", model_start.mapped_pages,
      real.mapped_pages, model_start.nr_pt_frames, model_start.pt_base, real.nr_pt_frames, real.pt_base);
}

// The same number of frames in each class of dom0's frames, Xen's that it shares with dom0, and DOMID_IO's.
TEST_P(dom0_start, has_the_same_classes_of_frames) {
  EXPECT_EQ(histogram(real().frames(), [this](mfn_t mfn) { return model_machine->page(mfn); }),
            histogram(real().frames(), [this](mfn_t mfn) { return real().frame(mfn); }));
}

// Every frame of the domain's memory is in the same class, one by one; so is its way back, from machine to domain.
TEST_P(dom0_start, has_the_same_frames) {
  u64 differ = 0;
  for (u64 pfn = 0; pfn < model_start.nr_pages && differ < 10; ++pfn) {
    const mfn_t ours = at(model_start, pfn);
    const mfn_t theirs = at(real_start(), pfn);
    const xen::page_info real_page = real().frame(theirs);
    const std::string model_line =
        fmt::format("{} m2p {:#x}", line_of(model_machine->page(ours)), model_machine->gpfn_from_mfn(ours));
    const std::string real_line = fmt::format("{} m2p {:#x}", line_of(real_page), real_m2p(theirs));
    EXPECT_EQ(model_line, real_line) << fmt::format("pfn {:#x}", pfn);
    if (xen::table_level(real_page.type_info) != 0) {
      EXPECT_EQ(model_machine->page(ours).linear_pt_count(), real_page.linear_pt_count())
          << fmt::format("pfn {:#x}", pfn);
    }
    if (model_line != real_line) ++differ;
  }
}

void dom0_start::compare_table(u64 pfn, unsigned level) {
  const auto theirs = real().words(at(real_start(), pfn));
  const u64* ours = model_machine->words(at(model_start, pfn));
  for (unsigned slot = 0; slot < entries_per_table; ++slot) {
    if (level == 4 && !is_guest_l4_slot(slot)) continue;
    const pte_t processors = level == 1 && present(theirs[slot]) ? theirs[slot] & PAGE_DIRTY : 0;
    EXPECT_EQ(renamed(ours[slot] | processors, model_pfns), renamed(theirs[slot], real_pfns))
        << fmt::format("L{} at pfn {:#x}, slot {}", level, pfn, slot);
    EXPECT_TRUE(processors == 0 || (theirs[slot] & PAGE_RW)) << fmt::format("pfn {:#x}, slot {}", pfn, slot);
  }
}

// Every page table has the same 512 entries.
TEST_P(dom0_start, has_the_same_page_tables) {
  u64 tables = 0;
  for (u64 pfn = 0; pfn < model_start.nr_pages && !HasFailure(); ++pfn) {
    const unsigned level = xen::table_level(real().frame(at(real_start(), pfn)).type_info);
    if (level == 0) continue;
    ++tables;
    compare_table(pfn, level);
  }
  EXPECT_EQ(tables, real_start().nr_pt_frames);
}

// Xen's slots of the L4: the same ones are in use, with the same flags; 258 is the table itself.
TEST_P(dom0_start, has_the_same_slots_of_xen) {
  const mfn_t ours = at(model_start, (model_start.pt_base - model_start.virt_base) / PAGE_SIZE);
  const auto& theirs = real_boot->facts.xen_l4_slots;
  for (unsigned slot = first_xen_slot; slot <= last_xen_slot; ++slot) {
    EXPECT_EQ(without_frame(model_machine->words(ours)[slot]), without_frame(theirs.at(slot - first_xen_slot))) << slot;
  }
  EXPECT_EQ(pte_mfn(model_machine->words(ours)[258]), ours);
}

// The vCPU begins on the builder's L4, without a user table, with an empty GDT and no vm_assist.
TEST_P(dom0_start, begins_with_the_same_vcpu) {
  const xen::vcpu& v = *dom0().vcpus[0];
  EXPECT_EQ(renamed(make_pte(v.guest_table, PAGE_PRESENT), model_pfns),
            renamed(make_pte(pte_mfn(real_boot->facts.xen_l4_slots[2]), PAGE_PRESENT), real_pfns));
  EXPECT_EQ(v.guest_table_user.n, 0u) << "a real one would show in the L4's type count";
  EXPECT_NE(real_boot->serial.find(fmt::format("vm_assist={:08x}", dom0().vm_assist)), std::string::npos);

  // The vCPU's GDT is the first that Xen's slot 260 maps. An empty slot of it shows a page of zeros, read-only.
  std::span<const u64, entries_per_table> table = real().words(pte_mfn(real_boot->facts.xen_l4_slots[4]));
  for (unsigned level = 3; level > 1; --level) table = real().words(pte_mfn(table[0]));
  for (unsigned i = 0; i < xen::gdt_frames_max; ++i) {
    EXPECT_EQ(v.gdt_frames.at(i).n, 0u);
    EXPECT_EQ(table[i], table[0]) << "the same for all";
    EXPECT_EQ(real().frame(pte_mfn(table[i])).owner, xen::owner_none) << i;
    EXPECT_FALSE(table[i] & PAGE_RW);
  }
}

// What dom0 may map of what is no memory is what the model takes for granted.
TEST_P(dom0_start, has_the_same_rights) {
  const auto text = [](const std::vector<xen::mfn_range>& ranges) {
    std::string line;
    for (const xen::mfn_range& r : ranges) line += fmt::format("{:#x}-{:#x} ", r.first.n, r.last.n);
    return line;
  };
  EXPECT_EQ(text(dom0().iomem_caps), text(real_boot->facts.dom0_iomem));
  EXPECT_EQ(text(model_machine->mmio_ro_ranges), text(real_boot->facts.mmio_ro));
}

}  // namespace
}  // namespace pvmmu::lab
