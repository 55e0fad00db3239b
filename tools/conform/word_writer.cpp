#include "tools/conform/word_writer.h"

#include "proto/abi/frame.h"
#include "tools/conform/program_writer.h"

namespace pvmmu::conform {

namespace sc = pvmmu::scenario;
using lab::word_kind;

bool word_writer::reads_as_pte(const lab::word& w) {
  return w.kind == word_kind::maddr || (is_number(w) && present(w.value) && (w.value & PTE_ADDR_MASK) != 0);
}

bool word_writer::reads_as_entry(const lab::word& w) { return w.kind == word_kind::maddr && w.value < PAGE_SIZE; }

bool word_writer::reads_as_address(const lab::word& w) {
  return is_number(w) || w.kind == word_kind::window || w.kind == word_kind::unmapped;
}

void word_writer::frame(u32 index, sc::frame& to) const { to.set_name(frame_name(program_, index)); }

void word_writer::pte(const lab::word& w, sc::pte& to) const {
  u64 rest = w.value;
  if (is_number(w)) {
    to.mutable_frame()->set_mfn(pte_mfn(w.value).n);
    rest &= ~PTE_ADDR_MASK;
  } else {
    frame(w.index, *to.mutable_frame());
  }
  for (int bit = 0; bit < 64; ++bit) {
    if ((rest >> bit & 1) == 0 || !sc::pte::pte_flag_IsValid(bit)) continue;
    to.add_flag(static_cast<sc::pte::pte_flag>(bit));
    rest &= ~(u64{1} << bit);
  }
  if (rest != 0) to.set_bits(rest);
}

void word_writer::address(const lab::word& w, sc::address& to) const {
  if (is_number(w)) return to.set_va(w.value);
  if (w.kind == word_kind::window) {
    to.set_window(w.index);
  } else if (w.kind == word_kind::unmapped) {
    to.set_unreadable(true);
  } else {
    return word(w, *to.mutable_word());
  }
  if (w.value != 0) to.set_offset(w.value);
}

void word_writer::word(const lab::word& w, sc::word& to) const {
  switch (w.kind) {
    case word_kind::maddr: return pte(w, *to.mutable_pte());
    case word_kind::window:
    case word_kind::unmapped: return address(w, *to.mutable_address());
    case word_kind::mfn: frame(w.index, *to.mutable_mfn()); break;
    case word_kind::mfn_high: frame(w.index, *to.mutable_mfn_high()); break;
    case word_kind::l4_entry: to.set_probe_l4_entry(w.index); break;
    case word_kind::blob: to.set_blob(w.index); break;
    case word_kind::earlier_high:
      to.mutable_earlier_high()->set_call(w.index >> 16);
      to.mutable_earlier_high()->set_word(w.index & 0xffff);
      break;
    case word_kind::grant_high: to.set_grant_ref(w.index); break;
    case word_kind::grant_maddr: to.set_grant_entry(w.index); break;
    case word_kind::plain: break;
  }
  if (w.value != 0) to.set_value(w.value);
}

}  // namespace pvmmu::conform
