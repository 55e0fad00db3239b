// memory_op in random programs: frames are given back while they are typed, pinned or mapped, exchanged, named after
// they have gone, and come back under new names as tables.
//
// What no program may ask for, because the answers could not be compared:
//   - frames that the guest is never told: a list of new frames is as long as its count, and can be written. Where Xen
//     would not even begin, it may be anything;
//   - memory between 2 MiB and the part that any request reaches: what Xen has left there is its own affair;
//   - frames of the foreign domain where a program gives away its own: they could come back as that domain's, holding
//     entries that crash it.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {
namespace {

using namespace lab;

constexpr u32 names_max = 16;  ///< that calls of one program give to frames

}  // namespace

/// What every third program does with memory.
void program_maker::begin_memory() {
  const u64 k = below(9);
  memory_ = k < 2 ? memory_of::own : k == 2 ? memory_of::foreign : memory_of::nobody;
}

domid_t program_maker::memory_domid() {
  if (memory_ == memory_of::foreign) return probe::foreign_domid;
  return one_in(8) ? domid_t{0} : DOMID_SELF;
}

/// Of the domain that the program works on, or not, but for roots, which must keep their contents.
u32 program_maker::frame_to_give() {
  if (memory_ == memory_of::foreign && p_.nr_foreign != 0 && !one_in(4))
    return probe::name_foreign + static_cast<u32>(below(p_.nr_foreign));
  if (one_in(3)) return frame_of(role::data);
  const u32 frame = one_in(4) ? frame_of(role::descriptors) : any_frame();
  return frame < roles_.size() && roles_[frame] == role::root ? frame_of(role::data) : frame;
}

/// Names for as many frames, or extents; nothing if the program has had enough.
std::optional<u32> program_maker::new_names(u64 number) {
  if (p_.nr_adopted + number > names_max) return std::nullopt;
  const u32 first = p_.nr_frames + p_.nr_adopted;
  p_.nr_adopted += static_cast<u32>(number);
  return first;
}

/// Frames of a run that came, in parts: which is the only memory around which a program knows the frames.
memory_reservation program_maker::part_of_run() {
  const run& from = came_[below(came_.size())];
  memory_reservation r{.domid = memory_domid()};
  r.extent_order = static_cast<u32>(below(from.order + 1));
  r.nr_extents = 1 + below(2);
  for (u64 i = 0; i < r.nr_extents; ++i) {
    word first = mfn_of_frame(from.name + static_cast<u32>(below(from.number)));
    first.value = below(u64{1} << (from.order - r.extent_order)) << r.extent_order;
    r.extents.words.push_back(first);
  }
  return r;
}

word program_maker::extent_to_give() {
  if (one_in(12)) return plain(one_of<u64>({0x50000, 0xffffffffff, ~u64{0}, 0xa0, 0}));
  return mfn_of_frame(frame_to_give());
}

lab::memory_op program_maker::machphys_list() {
  lab::memory_op c{.cmd = XENMEM_machphys_mfn_list};
  machphys_mfn_list list{.max_extents = static_cast<u32>(below(4))};
  const u64 n = below(3);
  for (u64 i = 0; i < n; ++i) list.extents.words.push_back(plain(i));
  if (one_in(8)) list.extents = {.at = plain(0xffff830000000000)};
  c.arg = std::move(list);
  if (one_in(8)) c.arg = std::monostate{};
  if (one_in(8)) c.cmd |= 1 << MEMOP_EXTENT_SHIFT;
  if (one_in(12)) c = {.cmd = 40 + below(20)};
  return c;
}

/// `named`: what comes has names; not in a multicall, which has none to give.
lab::memory_op program_maker::memory_op(bool named) {
  const u64 k = below(12);
  if (k < 3) return take_frames(named);
  if (k < 7) return give_back();
  return k < 11 ? exchange(named) : machphys_list();
}

/// A frame that came, filled and pinned as its role wants it. It may hold what it held when it went.
void program_maker::furnish(u32 frame) {
  const unsigned level = level_of(roles_[frame]);
  if (!one_in(3))
    p_.calls.push_back(lab::mmuext_op{.uops = {{.cmd = MMUEXT_CLEAR_PAGE, .arg1 = mfn_of_frame(frame)}}, .count = 1});
  if (level == 0) return;
  lab::mmu_update fill;
  const u64 n = 1 + below(3);
  for (u64 i = 0; i < n; ++i) {
    const u32 at = slot(frame);
    fill.ureqs.push_back({entry_of(frame, at), next_value(frame, at)});
  }
  fill.count = static_cast<u32>(n);
  p_.calls.push_back(std::move(fill));
  const u32 pin = MMUEXT_PIN_L1_TABLE + level - 1;
  p_.calls.push_back(lab::mmuext_op{.uops = {{.cmd = pin, .arg1 = mfn_of_frame(frame)}}, .count = 1});
  pinned_.push_back(frame);
}

/// A call, and what shows what it did: what came is used.
void program_maker::add_memory_call() {
  const std::size_t came_before = came_.size();
  p_.calls.push_back(memory_op(true));
  // The foreign domain's must not become tables; nor must what accesses can reach, as long as it may map anything.
  if (memory_ != memory_of::own || deep_) return;
  for (std::size_t i = came_before; i < came_.size(); ++i) {
    for (u32 k = 0; k < came_[i].number; ++k) {
      roles_.push_back(one_of({role::data, role::l1, role::l1, role::l2, role::l3, role::l4, role::descriptors}));
      if (!one_in(3)) furnish(came_[i].name + k);
    }
  }
}

}  // namespace pvmmu::conform
