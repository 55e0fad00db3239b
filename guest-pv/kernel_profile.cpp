#include "guest-pv/kernel_profile.h"

#include <algorithm>
#include <array>

namespace pvmmu::guest {
namespace {

constexpr kernel_profile linux_4_17{
    .name = "4.17",
    .stands_for = "4.17 and older: mremap moves single entries, 64 at a time",
    .move_ptes_chunk = 64,
    .move_flush = mremap_flush::dirty_under_lock,
    .tlb_flush = remote_flush::local_then_others,
    .alloc_ptpage_checks_pinned = false,
    .mprotect_write_back = write_back::never,
    .mprotect_gathers = false,
    .saved_dirty = false,
    .kfence_inverts = false,
    .vmalloc_pgds = new_kernel_pgds::by_fault,
};

constexpr kernel_profile linux_4_18 = [] {
  kernel_profile p = linux_4_17;
  p.name = "4.18";
  p.stands_for = "4.18: a whole table's entries at a time";
  p.move_ptes_chunk = 512;
  return p;
}();

constexpr kernel_profile october_2018_v1 = [] {
  kernel_profile p = linux_4_18;
  p.name = "oct2018-v1";
  p.stands_for = "the patch of October 2018, version 1: moves PMD entries, one flush after all locks";
  p.pmd_move = table_move::set_entry;
  p.move_flush = mremap_flush::at_end;
  return p;
}();

constexpr kernel_profile linux_4_20 = [] {
  kernel_profile p = linux_4_18;
  p.name = "4.20";
  p.stands_for = "4.19, 4.20: flushes under the page-table lock (eb66ae030829)";
  p.move_flush = mremap_flush::always_under_lock;
  return p;
}();

constexpr kernel_profile linux_5_0 = [] {
  kernel_profile p = linux_4_20;
  p.name = "5.0";
  p.stands_for = "5.0 to 5.10: moves PMD entries (2c91bd4a4e2e, 9f132f7e1455)";
  p.pmd_move = table_move::set_entry;
  return p;
}();

constexpr kernel_profile linux_5_11 = [] {
  kernel_profile p = linux_5_0;
  p.name = "5.11";
  p.stands_for = "5.11 to 5.13: moves PUD entries too, the new one with a plain store (c49dd3401802, be37c98d1134)";
  p.pud_move = table_move::native_store;
  p.vmalloc_pgds = new_kernel_pgds::synced;
  return p;
}();

constexpr kernel_profile linux_5_14 = [] {
  kernel_profile p = linux_5_11;
  p.name = "5.14";
  p.stands_for = "5.14: populates the new entry, and so pins the L1 again (0881ace292b6)";
  p.pmd_move = table_move::populate;
  p.pud_move = table_move::populate;
  p.tlb_flush = remote_flush::one_multi;
  return p;
}();

constexpr kernel_profile linux_6_1 = [] {
  kernel_profile p = linux_5_14;
  p.name = "6.1";
  p.stands_for = "5.15 to 6.6: does not pin what is pinned (36c9b5929b70)";
  p.alloc_ptpage_checks_pinned = true;
  p.mprotect_write_back = write_back::dirty;
  p.moves_watched_tables = false;
  p.mprotect_gathers = true;
  p.kfence_inverts = true;
  return p;
}();

constexpr kernel_profile linux_6_12 = [] {
  kernel_profile p = linux_6_1;
  p.name = "6.12";
  p.stands_for = "6.7 and later: widens moves to PMD boundaries where it can (af8ca1c14906)";
  p.realigns_moves = true;
  p.saved_dirty = true;
  p.lazy_nesting = lazy_rule::counted;  // set_ptes is no section of its own in Debian's: 6.12.y took that back
  p.mprotect_write_back = write_back::always;
  p.userfaultfd_moves = true;
  p.pte_batch_end = pte_batch::folio;
  return p;
}();

constexpr kernel_profile as_the_mail_has_it = [] {
  kernel_profile p = october_2018_v1;
  p.name = "mail";
  p.stands_for = "no real kernel: what a mail of 2018 says, L1s unpinned that were never pinned";
  p.guards_l1_pin = false;
  p.guards_l1_unpin = false;
  return p;
}();

constexpr std::array profiles{linux_4_17, linux_4_18, october_2018_v1, linux_4_20, linux_5_0,
                              linux_5_11, linux_5_14, linux_6_1,       linux_6_12, as_the_mail_has_it};

}  // namespace

std::span<const kernel_profile> kernel_profiles() { return profiles; }

const kernel_profile* find_kernel_profile(std::string_view name) {
  const auto found = std::ranges::find(profiles, name, &kernel_profile::name);
  return found == profiles.end() ? nullptr : &*found;
}

}  // namespace pvmmu::guest
