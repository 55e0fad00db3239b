#include "tools/conform/program_reader.h"

namespace pvmmu::conform {

namespace sc = pvmmu::scenario;

namespace {

done_arg pdone(sc::done where, u32 value) {
  const auto state = where == sc::ABSENT       ? done_arg::state::absent
                     : where == sc::UNWRITABLE ? done_arg::state::unwritable
                                               : done_arg::state::writable;
  return {.where = state, .value = value};
}

template <class Call>
u32 count_or(const Call& c, std::size_t there) {
  return c.has_count() ? c.count() : static_cast<u32>(there);
}

template <class Call>
u32 owner_of(const Call& c) {
  return c.has_foreigndom() ? c.foreigndom() : u32{DOMID_SELF};
}

template <class Mask>
vcpumask_arg mask_of(const Mask& m) {
  return m.has_vcpumask() ? vcpumask_arg{m.vcpumask()} : std::nullopt;
}

}  // namespace

lab::call program_reader::hypercall(const sc::hypercall& h) const {
  if (h.has_multicall()) return multicall(h.multicall());
  return std::visit([](auto&& c) -> lab::call { return std::forward<decltype(c)>(c); }, simple_call(h));
}

lab::simple_call program_reader::simple_call(const sc::hypercall& h) const {
  switch (h.call_case()) {
    case sc::hypercall::kMmuUpdate: return mmu_update(h.mmu_update());
    case sc::hypercall::kMmuextOp: return mmuext_op(h.mmuext_op());
    case sc::hypercall::kUpdateVaMapping: return update_va_mapping(h.update_va_mapping());
    case sc::hypercall::kSetGdt: return set_gdt(h.set_gdt());
    case sc::hypercall::kUpdateDescriptor: return update_descriptor(h.update_descriptor());
    case sc::hypercall::kVmAssist: return lab::vm_assist{.cmd = h.vm_assist().cmd(), .type = h.vm_assist().type()};
    case sc::hypercall::kMapGrantRef: return map_grant_ref(h.map_grant_ref());
    case sc::hypercall::kUnmapGrantRef: return unmap_grant_ref(h.unmap_grant_ref());
    case sc::hypercall::kIret: return lab::iret{.rax = h.iret().rax()};
    case sc::hypercall::kVcpuOp: return vcpu_op(h.vcpu_op());
    case sc::hypercall::kRaw: return raw(h.raw());
    case sc::hypercall::kMemoryOp: return memory_op(h.memory_op());
    case sc::hypercall::kMulticall:
      file_.fail(h, "multicall", "a multicall in a multicall: a conformance program cannot make it");
    default: return lab::raw_call{.op = h.unknown()};
  }
}

lab::multicall program_reader::multicall(const sc::multicall& m) const {
  lab::multicall c{.nr_calls = m.has_nr_calls() ? m.nr_calls() : static_cast<u32>(m.call_size()),
                   .null_list = m.null_list()};
  for (const auto& call : m.call()) c.entries.push_back(simple_call(call));
  return c;
}

lab::mmu_update program_reader::mmu_update(const sc::mmu_update& m) const {
  lab::mmu_update c{.count = count_or(m, static_cast<std::size_t>(m.request_size())),
                    .null_list = m.null_list(),
                    .pdone = pdone(m.done(), m.done_value()),
                    .foreigndom = owner_of(m)};
  for (const auto& r : m.request()) c.ureqs.push_back(request(r));
  return c;
}

lab::mmu_update_entry program_reader::request(const sc::mmu_update::update_request& r) const {
  lab::mmu_update_entry e;
  switch (r.where_case()) {
    case sc::mmu_update::update_request::kEntry: e.ptr = entry(r.entry(), static_cast<u64>(r.command())); break;
    case sc::mmu_update::update_request::kMachphys: e.ptr = maddr(r.machphys(), MMU_MACHPHYS_UPDATE); break;
    case sc::mmu_update::update_request::kPtrWord: e.ptr = word(r.ptr_word()); break;
    default: e.ptr = lab::plain(r.ptr());
  }
  e.val = r.has_pte() ? pte(r.pte()) : r.has_val_word() ? word(r.val_word()) : lab::plain(r.val());
  return e;
}

lab::mmuext_op program_reader::mmuext_op(const sc::mmuext_op& m) const {
  lab::mmuext_op c{.count = count_or(m, static_cast<std::size_t>(m.op_size())),
                   .null_list = m.null_list(),
                   .pdone = pdone(m.done(), m.done_value()),
                   .foreigndom = owner_of(m)};
  for (const auto& o : m.op()) c.uops.push_back(op(o));
  return c;
}

lab::mmuext_entry program_reader::op(const sc::mmuext_op::one_op& o) const {
  lab::mmuext_entry e{.cmd = o.high_cmd() != 0 ? o.high_cmd() : static_cast<u32>(o.cmd()), .vcpumask = mask_of(o)};
  e.arg1 = o.has_frame()       ? mfn(o.frame())
           : o.has_at()        ? address(o.at())
           : o.has_arg1_word() ? word(o.arg1_word())
                               : lab::plain(o.arg1());
  e.arg2 = o.has_source() ? mfn(o.source()) : o.has_arg2_word() ? word(o.arg2_word()) : lab::plain(o.arg2());
  return e;
}

lab::update_va_mapping program_reader::update_va_mapping(const sc::update_va_mapping& u) const {
  lab::update_va_mapping c{
      .va = address(u.at()),
      .val = u.has_pte()        ? pte(u.pte())
             : u.has_val_word() ? word(u.val_word())
                                : lab::plain(u.val()),
      .flags = u.has_flags() ? u.flags() : static_cast<u64>(u.flush()) | (u.scope() == u.ALL ? UVMF_ALL : 0),
      .mask_scope = u.scope() == u.MASK,
      .vcpumask = mask_of(u)};
  if (u.has_otherdomain()) c.otherdomain = static_cast<domid_t>(u.otherdomain());
  return c;
}

lab::set_gdt program_reader::set_gdt(const sc::set_gdt& g) const {
  lab::set_gdt c{.null_list = g.null_list()};
  for (const auto& f : g.frame()) c.frame_list.push_back(mfn(f));
  for (const auto& w : g.word()) c.frame_list.push_back(word(w));
  c.entries = g.has_entries() ? g.entries() : static_cast<u32>(c.frame_list.size() * 512);
  return c;
}

lab::update_descriptor program_reader::update_descriptor(const sc::update_descriptor& u) const {
  return {.maddr = u.has_entry()        ? entry(u.entry(), 0)
                   : u.has_maddr_word() ? word(u.maddr_word())
                                        : lab::plain(u.maddr()),
          .desc = u.desc()};
}

lab::map_grant_ref program_reader::map_grant_ref(const sc::map_grant_ref& m) const {
  lab::map_grant_ref c{.count = count_or(m, static_cast<std::size_t>(m.map_size()))};
  for (const auto& map : m.map())
    c.uop.push_back({word(map.host_addr()), map.flags(), word(map.ref()), static_cast<domid_t>(map.dom())});
  return c;
}

lab::unmap_grant_ref program_reader::unmap_grant_ref(const sc::unmap_grant_ref& u) const {
  lab::unmap_grant_ref c{.count = count_or(u, static_cast<std::size_t>(u.unmap_size()))};
  for (const auto& unmap : u.unmap())
    c.uop.push_back({word(unmap.host_addr()), word(unmap.dev_bus_addr()), word(unmap.handle())});
  return c;
}

lab::extent_words program_reader::extents(const sc::memory_op::extent_list& e) const {
  lab::extent_words to;
  for (const auto& w : e.word()) to.words.push_back(word(w));
  if (e.has_at()) to.at = word(e.at());
  if (e.unreadable()) to.at = lab::word{.kind = probe::word_kind::unmapped};
  return to;
}

lab::memory_reservation program_reader::reservation(const sc::memory_op::memory_reservation& r) const {
  return {.extents = extents(r.extents()),
          .nr_extents = r.nr_extents(),
          .extent_order = r.extent_order(),
          .mem_flags = r.mem_flags(),
          .domid = r.has_domid() ? static_cast<domid_t>(r.domid()) : DOMID_SELF};
}

lab::memory_op program_reader::memory_op(const sc::memory_op& m) const {
  lab::memory_op c{.cmd = m.cmd()};
  if (m.has_reservation()) c.arg = reservation(m.reservation());
  if (m.has_exchange())
    c.arg = lab::memory_exchange{reservation(m.exchange().in()), reservation(m.exchange().out()),
                                 m.exchange().nr_exchanged()};
  if (m.has_machphys_mfn_list())
    c.arg = lab::machphys_mfn_list{m.machphys_mfn_list().max_extents(), extents(m.machphys_mfn_list().extents())};
  if (m.has_adopt_first()) c.adopt_first = frame_index(m.adopt_first());
  return c;
}

lab::vcpu_op program_reader::vcpu_op(const sc::vcpu_op& o) const {
  lab::vcpu_op c{.cmd = o.cmd(), .vcpuid = o.vcpuid()};
  if (!o.has_context()) return c;
  const sc::vcpu_op::guest_context& from = o.context();
  c.arg = lab::vcpu_guest_context{.flags = from.flags(),
                                  .rip = from.rip(),
                                  .ldt_base = from.ldt_base(),
                                  .ldt_ents = from.ldt_ents(),
                                  .gdt_ents = from.gdt_ents(),
                                  .user_cr3 = word(from.user_cr3()),
                                  .cr3 = word(from.cr3())};
  for (const auto& w : from.gdt_frame()) c.arg->gdt_frames.push_back(word(w));
  return c;
}

lab::raw_call program_reader::raw(const sc::raw& r) const {
  lab::raw_call c{.op = r.op()};
  for (const auto& w : r.arg()) c.args.push_back(word(w));
  for (const auto& b : r.blob()) {
    lab::blob& to = c.blobs.emplace_back(lab::blob{.words = {}, .out = b.out()});
    for (const auto& w : b.word()) to.words.push_back(word(w));
  }
  if (!r.has_adopt_blob()) return c;
  c.adopt_blob = r.adopt_blob();
  c.adopt_first = frame_index(r.adopt_first());
  c.adopt_number = r.adopt_number();
  return c;
}

}  // namespace pvmmu::conform
