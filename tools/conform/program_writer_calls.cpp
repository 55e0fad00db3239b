#include "tools/conform/program_writer.h"
#include "tools/conform/word_writer.h"

namespace pvmmu::conform {

namespace sc = pvmmu::scenario;

namespace {

/// What mmu_update and mmuext_op have in common.
template <class Call, class Message>
void write_batch(const Call& c, std::size_t there, Message& to) {
  if (c.count != there) to.set_count(c.count);
  if (c.null_list) to.set_null_list(true);
  if (c.pdone.where == done_arg::state::absent) to.set_done(sc::ABSENT);
  if (c.pdone.where == done_arg::state::unwritable) to.set_done(sc::UNWRITABLE);
  if (c.pdone.value != 0) to.set_done_value(c.pdone.value);
  if (c.foreigndom != DOMID_SELF) to.set_foreigndom(c.foreigndom);
}

}  // namespace

void program_writer::write(const lab::mmu_update& c, sc::hypercall& h) const {
  const word_writer words(program_);
  sc::mmu_update& to = *h.mutable_mmu_update();
  for (const lab::mmu_update_entry& e : c.ureqs) {
    auto& r = *to.add_request();
    if (word_writer::reads_as_entry(e.ptr)) {
      words.frame(e.ptr.index, *r.mutable_entry()->mutable_table());
      if (e.ptr.value >= sizeof(pte_t)) r.mutable_entry()->set_slot(static_cast<u32>(e.ptr.value / sizeof(pte_t)));
      r.set_command(static_cast<sc::mmu_update::update_request::update_command>(e.ptr.value % sizeof(pte_t)));
    } else if (word_writer::is_number(e.ptr)) {
      r.set_ptr(e.ptr.value);
    } else {
      words.word(e.ptr, *r.mutable_ptr_word());
    }
    words.value(
        e.val, [&](u64 v) { r.set_val(v); }, [&] { return r.mutable_pte(); }, [&] { return r.mutable_val_word(); });
  }
  write_batch(c, c.ureqs.size(), to);
}

void program_writer::write(const lab::mmuext_op& c, sc::hypercall& h) const {
  sc::mmuext_op& to = *h.mutable_mmuext_op();
  for (const lab::mmuext_entry& e : c.uops) write(e, *to.add_op());
  write_batch(c, c.uops.size(), to);
}

void program_writer::write(const lab::mmuext_entry& e, sc::mmuext_op::one_op& to) const {
  const word_writer words(program_);
  if (e.cmd < u32{1} << 31)
    to.set_cmd(static_cast<sc::mmuext_op::op_command>(e.cmd));
  else
    to.set_high_cmd(e.cmd);
  if (word_writer::reads_as_frame(e.arg1)) {
    words.frame(e.arg1.index, *to.mutable_frame());
  } else if (!word_writer::reads_as_address(e.arg1)) {
    words.word(e.arg1, *to.mutable_arg1_word());
  } else if (!word_writer::is_number(e.arg1)) {
    words.address(e.arg1, *to.mutable_at());
  } else if (e.arg1.value != 0) {
    to.set_arg1(e.arg1.value);
  }
  if (word_writer::reads_as_frame(e.arg2)) {
    words.frame(e.arg2.index, *to.mutable_source());
  } else if (!word_writer::is_number(e.arg2)) {
    words.word(e.arg2, *to.mutable_arg2_word());
  } else if (e.arg2.value != 0) {
    to.set_arg2(e.arg2.value);
  }
  if (e.vcpumask) to.set_vcpumask(*e.vcpumask);
}

void program_writer::write(const lab::update_va_mapping& c, sc::hypercall& h) const {
  const word_writer words(program_);
  sc::update_va_mapping& to = *h.mutable_update_va_mapping();
  words.address(c.va, *to.mutable_at());
  words.value(
      c.val, [&](u64 v) { to.set_val(v); }, [&] { return to.mutable_pte(); }, [&] { return to.mutable_val_word(); });
  if ((c.flags & ~(UVMF_FLUSHTYPE_MASK | UVMF_ALL)) != 0 || (c.mask_scope && (c.flags & UVMF_ALL) != 0)) {
    to.set_flags(c.flags);
  } else {
    to.set_flush(static_cast<sc::update_va_mapping::flush_kind>(c.flags & UVMF_FLUSHTYPE_MASK));
    if ((c.flags & UVMF_ALL) != 0) to.set_scope(to.ALL);
  }
  if (c.mask_scope) to.set_scope(to.MASK);
  if (c.mask_scope && c.vcpumask) to.set_vcpumask(*c.vcpumask);
  if (c.otherdomain) to.set_otherdomain(*c.otherdomain);
}

void program_writer::write(const lab::set_gdt& c, sc::hypercall& h) const {
  const word_writer words(program_);
  sc::set_gdt& to = *h.mutable_set_gdt();
  const bool frames = std::ranges::all_of(
      c.frame_list, [](const auto& w) { return word_writer::reads_as_frame(w) || word_writer::is_number(w); });
  for (const lab::word& w : c.frame_list) {
    if (!frames)
      words.word(w, *to.add_word());
    else if (word_writer::is_number(w))
      to.add_frame()->set_mfn(w.value);
    else
      words.frame(w.index, *to.add_frame());
  }
  if (c.entries != c.frame_list.size() * 512) to.set_entries(c.entries);
  if (c.null_list) to.set_null_list(true);
}

void program_writer::write(const lab::update_descriptor& c, sc::hypercall& h) const {
  const word_writer words(program_);
  sc::update_descriptor& to = *h.mutable_update_descriptor();
  if (word_writer::is_number(c.maddr)) {
    to.set_maddr(c.maddr.value);
  } else if (word_writer::reads_as_entry(c.maddr) && c.maddr.value % sizeof(pte_t) == 0) {
    words.frame(c.maddr.index, *to.mutable_entry()->mutable_table());
    to.mutable_entry()->set_slot(static_cast<u32>(c.maddr.value / sizeof(pte_t)));
  } else {
    words.word(c.maddr, *to.mutable_maddr_word());
  }
  to.set_desc(c.desc);
}

void program_writer::write(const lab::vm_assist& c, sc::hypercall& h) const {
  h.mutable_vm_assist()->set_cmd(c.cmd);
  h.mutable_vm_assist()->set_type(c.type);
}

void program_writer::write(const lab::map_grant_ref& c, sc::hypercall& h) const {
  const word_writer words(program_);
  sc::map_grant_ref& to = *h.mutable_map_grant_ref();
  for (const lab::grant_map_entry& e : c.uop) {
    auto& map = *to.add_map();
    words.word(e.host_addr, *map.mutable_host_addr());
    map.set_flags(e.flags);
    words.word(e.ref, *map.mutable_ref());
    map.set_dom(e.dom);
  }
  if (c.count != c.uop.size()) to.set_count(c.count);
}

void program_writer::write(const lab::unmap_grant_ref& c, sc::hypercall& h) const {
  const word_writer words(program_);
  sc::unmap_grant_ref& to = *h.mutable_unmap_grant_ref();
  for (const lab::grant_unmap_entry& e : c.uop) {
    auto& unmap = *to.add_unmap();
    words.word(e.host_addr, *unmap.mutable_host_addr());
    words.word(e.dev_bus_addr, *unmap.mutable_dev_bus_addr());
    words.word(e.handle, *unmap.mutable_handle());
  }
  if (c.count != c.uop.size()) to.set_count(c.count);
}

namespace {

void write_extents(const word_writer& words, const lab::extent_words& from, sc::memory_op::extent_list& to) {
  for (const lab::word& w : from.words) words.word(w, *to.add_word());
  if (!from.at) return;
  if (from.at->kind == probe::word_kind::unmapped) return to.set_unreadable(true);
  words.word(*from.at, *to.mutable_at());
}

void write_reservation(const word_writer& words, const lab::memory_reservation& from,
                       sc::memory_op::memory_reservation& to) {
  write_extents(words, from.extents, *to.mutable_extents());
  to.set_nr_extents(from.nr_extents);
  to.set_extent_order(from.extent_order);
  to.set_mem_flags(from.mem_flags);
  if (from.domid != DOMID_SELF) to.set_domid(from.domid);
}

}  // namespace

void program_writer::write(const lab::memory_op& c, sc::hypercall& h) const {
  const word_writer words(program_);
  sc::memory_op& to = *h.mutable_memory_op();
  to.set_cmd(c.cmd);
  if (const auto* r = std::get_if<lab::memory_reservation>(&c.arg))
    write_reservation(words, *r, *to.mutable_reservation());
  if (const auto* e = std::get_if<lab::memory_exchange>(&c.arg)) {
    write_reservation(words, e->in, *to.mutable_exchange()->mutable_in());
    write_reservation(words, e->out, *to.mutable_exchange()->mutable_out());
    to.mutable_exchange()->set_nr_exchanged(e->nr_exchanged);
  }
  if (const auto* list = std::get_if<lab::machphys_mfn_list>(&c.arg)) {
    to.mutable_machphys_mfn_list()->set_max_extents(list->max_extents);
    write_extents(words, list->extents, *to.mutable_machphys_mfn_list()->mutable_extents());
  }
  if (c.adopt_first) words.frame(*c.adopt_first, *to.mutable_adopt_first());
}

void program_writer::write(const lab::iret& c, sc::hypercall& h) const { h.mutable_iret()->set_rax(c.rax); }

void program_writer::write(const lab::vcpu_op& c, sc::hypercall& h) const {
  const word_writer words(program_);
  sc::vcpu_op& to = *h.mutable_vcpu_op();
  to.set_cmd(c.cmd);
  to.set_vcpuid(c.vcpuid);
  if (!c.arg) return;
  auto& context = *to.mutable_context();
  context.set_flags(c.arg->flags);
  context.set_rip(c.arg->rip);
  context.set_ldt_base(c.arg->ldt_base);
  context.set_ldt_ents(c.arg->ldt_ents);
  for (const lab::word& w : c.arg->gdt_frames) words.word(w, *context.add_gdt_frame());
  context.set_gdt_ents(c.arg->gdt_ents);
  words.word(c.arg->cr3, *context.mutable_cr3());
  words.word(c.arg->user_cr3, *context.mutable_user_cr3());
}

void program_writer::write(const lab::raw_call& c, sc::hypercall& h) const {
  if (c.args.empty() && c.blobs.empty()) return h.set_unknown(c.op);
  const word_writer words(program_);
  sc::raw& to = *h.mutable_raw();
  to.set_op(c.op);
  for (const lab::word& w : c.args) words.word(w, *to.add_arg());
  for (const lab::blob& b : c.blobs) {
    auto& blob = *to.add_blob();
    for (const lab::word& w : b.words) words.word(w, *blob.add_word());
    blob.set_out(b.out);
  }
  if (!c.adopt_blob) return;
  to.set_adopt_blob(*c.adopt_blob);
  words.frame(c.adopt_first, *to.mutable_adopt_first());
  to.set_adopt_number(c.adopt_number);
}

void program_writer::write(const lab::multicall& c, sc::hypercall& h) const {
  sc::multicall& to = *h.mutable_multicall();
  for (const auto& entry : c.entries) std::visit([&](const auto& e) { write(e, *to.add_call()); }, entry);
  if (c.nr_calls != c.entries.size()) to.set_nr_calls(c.nr_calls);
  if (c.null_list) to.set_null_list(true);
}

}  // namespace pvmmu::conform
