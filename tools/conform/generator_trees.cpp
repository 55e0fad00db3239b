// Which frames a random program has, and what lies in them before its first call.

#include "tools/conform/generator_program.h"

namespace pvmmu::conform {

using namespace lab;

void program_maker::plan_frames() {
  const auto add = [this](role r, u64 n) { roles_.insert(roles_.end(), n, r); };
  if (one_in(4)) {
    // Tables of one level, for linear entries and chains of them.
    const role same = one_of({role::l2, role::l3, role::l4});
    add(same, 3 + below(3));
    add(static_cast<role>(level_of(same) - 1), 1 + below(2));
  } else {
    add(role::l4, below(3));
    add(role::l3, 1 + below(2));
    add(role::l2, 1 + below(3));
    add(role::l1, 2 + below(3));
  }
  add(role::data, 2 + below(4));
  add(role::descriptors, ldt_ ? 1 + below(2) : one_in(3) ? 1 : 0);
  if (one_in(ldt_ ? 2 : 4)) {
    add(role::root, 1 + below(2));
    deep_ = true;
  }
  p_.nr_untouched = static_cast<u32>(below(2));
  add(role::data, p_.nr_untouched);
  p_.nr_frames = static_cast<u32>(roles_.size());
  p_.nr_foreign = one_in(2) ? 4 : 0;
  for (u32 frame = 0; frame < p_.nr_frames - p_.nr_untouched; ++frame) {
    const unsigned level = level_of(roles_[frame]);
    if (roles_[frame] == role::root) fill_root(frame);
    // Where selectors are loaded, roots that can be loaded matter more than what else is in them.
    const bool empty = ldt_ && roles_[frame] == role::root ? one_in(2) : one_in(6);
    if (level != 0 && !empty) fill_table(frame, level);
    if (roles_[frame] == role::descriptors)
      for (u16 i = 0; i < 4; ++i)
        p_.contents.push_back({.frame = frame, .slot = i, .value = plain(ldt_ ? segment() : descriptor())});
  }
  fill_foreign();
}

/// Mostly few entries, at the beginning; now and then a run of one, so that a failure comes late.
void program_maker::fill_table(u32 frame, unsigned level) {
  const u64 n = below(6);
  for (u64 i = 0; i < n; ++i) {
    content c{.frame = frame, .slot = static_cast<u16>(slot(frame)), .value = {}};
    c.value = entry(level, frame);
    if (one_in(12) && c.slot < 200) c.nr = static_cast<u16>(1 + below(40));
    known_[{frame, c.slot}] = c.value;
    p_.contents.push_back(c);
  }
}

/// The probe's own slots: what it runs in, and its windows.
void program_maker::fill_root(u32 frame) {
  for (const u16 own : {u16{probe::window_l4_slot}, u16{511}})
    p_.contents.push_back({.frame = frame, .slot = own, .value = probe_l4_entry(own)});
}

/// Most tables, in their order or in any, each by a call of its own, because a batch ends at the first that cannot be
/// pinned.
void program_maker::pin_tables() {
  std::vector<u32> tables;
  for (u32 frame = 0; frame < roles_.size(); ++frame)
    if (level_of(roles_[frame]) != 0 && !one_in(4)) tables.push_back(frame);
  const bool in_any_order = one_in(2);
  for (std::size_t left = tables.size(); left != 0; --left) {
    std::swap(tables[left - 1], tables[in_any_order ? below(left) : left - 1]);
    const u32 frame = tables[left - 1];
    const u32 cmd = MMUEXT_PIN_L1_TABLE + level_of(roles_[frame]) - 1;
    lab::mmuext_op c{.uops = {{.cmd = cmd, .arg1 = lab::mfn_of_frame(frame)}}, .count = 1};
    c.pdone = pdone();
    p_.calls.push_back(c);
    pinned_.push_back(frame);
  }
}

/// What makes the later calls meet something: pinned tables, a loaded root, a GDT.
void program_maker::begin_calls() {
  if (!one_in(4)) pin_tables();
  if (deep_ && !one_in(3))
    p_.calls.push_back(
        lab::mmuext_op{.uops = {{.cmd = MMUEXT_NEW_BASEPTR, .arg1 = mfn_of_frame(frame_of(role::root))}}, .count = 1});
  const u32 descriptors = frame_of(role::descriptors);
  if (roles_[descriptors] == role::descriptors && one_in(2))
    p_.calls.push_back(lab::set_gdt{.frame_list = {mfn_of_frame(descriptors)}, .entries = 512});
}

/// A little tree of the foreign domain's: an L1, an L2 above it, a data frame, and one of either kind.
void program_maker::fill_foreign() {
  for (u32 i = 0; i < p_.nr_foreign; ++i) {
    const u64 n = i == 2 ? 0 : below(4);
    for (u64 k = 0; k < n; ++k) {
      content c{.frame = probe::name_foreign + i, .slot = static_cast<u16>(below(6)), .value = {}};
      c.value = foreign_entry(i == 1 ? 2 : 1);
      p_.contents.push_back(c);
    }
  }
}

}  // namespace pvmmu::conform
