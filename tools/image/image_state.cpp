#include "tools/image/image_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace pvmmu::tools {
namespace {

using counter_words = std::array<u64, sizeof(xen::counters) / sizeof(u64)>;

template <class Numbers>
void encode_mfns(const Numbers& mfns, google::protobuf::RepeatedField<u64>& record) {
  for (const mfn_t mfn : mfns) record.Add(mfn.n);
}

template <class Numbers>
void decode_mfns(const google::protobuf::RepeatedField<u64>& record, Numbers& mfns) {
  for (const u64 n : record) mfns.push_back({n});
}

template <class T, std::size_t n>
void decode_array(const google::protobuf::RepeatedField<u64>& record, std::array<T, n>& to, const char* what) {
  if (record.size() != static_cast<int>(n))
    throw std::invalid_argument(fmt::format("an image with {} {}: {} are expected", record.size(), what, n));
  std::ranges::transform(record, to.begin(), [](u64 word) { return T{word}; });
}

using range_records = google::protobuf::RepeatedPtrField<recording::mfn_range>;

void encode_ranges(const std::vector<xen::mfn_range>& ranges, range_records& records) {
  for (const xen::mfn_range& range : ranges) {
    recording::mfn_range& record = *records.Add();
    record.set_first(range.first.n);
    record.set_last(range.last.n);
  }
}

std::vector<xen::mfn_range> decode_ranges(const range_records& records) {
  std::vector<xen::mfn_range> ranges;
  for (const auto& record : records) ranges.push_back({{record.first()}, {record.last()}});
  return ranges;
}

// ---- vCPUs

void encode(const xen::tlb_entry& entry, recording::tlb_entry& record) {
  const auto& [root, page, frame, writable, user, dirty] = entry;
  record.set_root_mfn(root.n);
  record.set_page(page);
  record.set_mfn(frame.n);
  record.set_writable(writable);
  record.set_user(user);
  record.set_dirty(dirty);
}

xen::tlb_entry decode(const recording::tlb_entry& record) {
  return {.root = {record.root_mfn()},
          .page = record.page(),
          .frame = {record.mfn()},
          .writable = record.writable(),
          .user = record.user(),
          .dirty = record.dirty()};
}

void encode(const xen::vcpu_image& image, recording::vcpu_image& record) {
  const auto& [state, old_guest_table, old_guest_ptpg] = image;
  const auto& [id, is_initialised, is_up, guest_table, guest_table_user, old_guest_table_partial, in_multicall,
               hcall_preempted, ldt_base, ldt_ents, ldt_frames, gdt_ents, gdt_frames, maptrack_head, maptrack_tail,
               tlbflush_time, tlb] = state;
  record.set_is_initialised(is_initialised);
  record.set_is_up(is_up);
  record.set_guest_table(guest_table.n);
  record.set_guest_table_user(guest_table_user.n);
  record.set_old_guest_table_partial(old_guest_table_partial);
  record.set_hcall_preempted(hcall_preempted);
  record.set_ldt_base(ldt_base);
  record.set_ldt_ents(ldt_ents);
  encode_mfns(ldt_frames, *record.mutable_ldt_frames());
  record.set_gdt_ents(gdt_ents);
  encode_mfns(gdt_frames, *record.mutable_gdt_frames());
  record.set_maptrack_head(maptrack_head);
  record.set_maptrack_tail(maptrack_tail);
  record.set_tlbflush_time(tlbflush_time);
  for (const xen::tlb_entry& entry : tlb) encode(entry, *record.add_tlb());
  if (old_guest_table) record.set_old_guest_table(old_guest_table->n);
  if (old_guest_ptpg) record.set_old_guest_ptpg(old_guest_ptpg->n);
}

xen::vcpu_image decode(const recording::vcpu_image& record, vcpu_id_t number) {
  xen::vcpu_image image;
  auto& [state, old_guest_table, old_guest_ptpg] = image;
  auto& [id, is_initialised, is_up, guest_table, guest_table_user, old_guest_table_partial, in_multicall,
         hcall_preempted, ldt_base, ldt_ents, ldt_frames, gdt_ents, gdt_frames, maptrack_head, maptrack_tail,
         tlbflush_time, tlb] = state;
  id = number;
  is_initialised = record.is_initialised();
  is_up = record.is_up();
  guest_table = {record.guest_table()};
  guest_table_user = {record.guest_table_user()};
  old_guest_table_partial = record.old_guest_table_partial();
  hcall_preempted = record.hcall_preempted();
  ldt_base = record.ldt_base();
  ldt_ents = record.ldt_ents();
  decode_array(record.ldt_frames(), ldt_frames, "LDT frames");
  gdt_ents = record.gdt_ents();
  decode_array(record.gdt_frames(), gdt_frames, "GDT frames");
  maptrack_head = record.maptrack_head();
  maptrack_tail = record.maptrack_tail();
  tlbflush_time = record.tlbflush_time();
  for (const auto& entry : record.tlb()) tlb.push_back(decode(entry));
  if (record.has_old_guest_table()) old_guest_table = mfn_t{record.old_guest_table()};
  if (record.has_old_guest_ptpg()) old_guest_ptpg = mfn_t{record.old_guest_ptpg()};
  return image;
}

// ---- domains

void encode(const xen::domain_image& image, recording::domain_image& record) {
  const auto& [domid, kind, state, vcpus] = image;
  const auto& [privileged, is_dying, crashed, check_l1tf, vm_assist, tot_pages, max_pages, page_list, nr_l4_pages,
               perdomain_l4e, iomem_caps, shared_info, grants] = state;
  const auto& [grant_version, grant_shared, grant_status, active, maptrack] = grants;
  record.set_domid(domid);
  record.set_is_domu(kind == domain_kind::domU);
  record.set_privileged(privileged);
  record.set_is_dying(is_dying);
  record.set_crashed(crashed);
  record.set_check_l1tf(check_l1tf);
  record.set_vm_assist(vm_assist);
  record.set_tot_pages(tot_pages);
  record.set_max_pages(max_pages);
  record.set_page_list(page_list);
  record.set_nr_l4_pages(nr_l4_pages);
  record.set_perdomain_l4e(perdomain_l4e);
  encode_ranges(iomem_caps, *record.mutable_iomem_caps());
  record.set_shared_info(shared_info.n);
  record.set_grant_version(grant_version);
  encode_mfns(grant_shared, *record.mutable_grant_shared());
  encode_mfns(grant_status, *record.mutable_grant_status());
  for (const xen::vcpu_image& v : vcpus) encode(v, *record.add_vcpus());
}

xen::domain_image decode(const recording::domain_image& record) {
  xen::domain_image image;
  auto& [domid, kind, state, vcpus] = image;
  auto& [privileged, is_dying, crashed, check_l1tf, vm_assist, tot_pages, max_pages, page_list, nr_l4_pages,
         perdomain_l4e, iomem_caps, shared_info, grants] = state;
  auto& [grant_version, grant_shared, grant_status, active, maptrack] = grants;
  if (record.domid() > DOMID_INVALID) throw std::invalid_argument(fmt::format("an image of domain {}", record.domid()));
  domid = static_cast<domid_t>(record.domid());
  kind = record.is_domu() ? domain_kind::domU : domain_kind::dom0;
  privileged = record.privileged();
  is_dying = record.is_dying();
  crashed = record.crashed();
  check_l1tf = record.check_l1tf();
  vm_assist = record.vm_assist();
  tot_pages = record.tot_pages();
  max_pages = record.max_pages();
  page_list = record.page_list();
  nr_l4_pages = record.nr_l4_pages();
  perdomain_l4e = record.perdomain_l4e();
  iomem_caps = decode_ranges(record.iomem_caps());
  shared_info = {record.shared_info()};
  grant_version = record.grant_version();
  decode_mfns(record.grant_shared(), grant_shared);
  decode_mfns(record.grant_status(), grant_status);
  for (const auto& v : record.vcpus()) vcpus.push_back(decode(v, static_cast<vcpu_id_t>(vcpus.size())));
  return image;
}

}  // namespace

// ---- the machine

void encode(const xen::machine_image& image, recording::machine_image& record) {
  const auto& [config, frame_table, ram, m2p, heap, tlbflush_clock, perfc, mmio_ro_ranges, xen_l4_slots, machphys_mfns,
               lost_references, domains, dom_xen, dom_io, current] = image;
  const auto& [frames, debug_build, tlb] = config;
  const auto& [next_unused, free_list, offered] = heap;
  record.set_frames(frames);
  record.set_debug_build(debug_build);
  record.set_tlb(tlb);
  record.set_heap_next_unused(next_unused);
  record.set_heap_free_list(free_list);
  encode_mfns(offered, *record.mutable_heap_offered());
  record.set_tlbflush_clock(tlbflush_clock);
  for (const u64 count : std::bit_cast<counter_words>(perfc)) record.add_counters(count);
  encode_ranges(mmio_ro_ranges, *record.mutable_mmio_ro_ranges());
  for (const pte_t entry : xen_l4_slots) record.add_xen_l4_slots(entry);
  encode_mfns(machphys_mfns, *record.mutable_machphys_mfns());
  encode_mfns(lost_references, *record.mutable_lost_references());
  for (const xen::domain_image& d : domains) encode(d, *record.add_domains());
  encode(dom_xen, *record.mutable_dom_xen());
  encode(dom_io, *record.mutable_dom_io());
  record.set_has_current(current.has_value());
  if (!current) return;
  record.set_current_domain(static_cast<u32>(current->first));
  record.set_current_vcpu(static_cast<u32>(current->second));
}

xen::machine_image decode(const recording::machine_image& record) {
  xen::machine_image image;
  auto& [config, frame_table, ram, m2p, heap, tlbflush_clock, perfc, mmio_ro_ranges, xen_l4_slots, machphys_mfns,
         lost_references, domains, dom_xen, dom_io, current] = image;
  auto& [frames, debug_build, tlb] = config;
  auto& [next_unused, free_list, offered] = heap;
  frames = record.frames();
  debug_build = record.debug_build();
  tlb = record.tlb();
  next_unused = record.heap_next_unused();
  free_list = record.heap_free_list();
  decode_mfns(record.heap_offered(), offered);
  tlbflush_clock = record.tlbflush_clock();
  counter_words counts;
  decode_array(record.counters(), counts, "counters");
  perfc = std::bit_cast<xen::counters>(counts);
  mmio_ro_ranges = decode_ranges(record.mmio_ro_ranges());
  decode_array(record.xen_l4_slots(), xen_l4_slots, "slots of Xen's in an L4");
  decode_mfns(record.machphys_mfns(), machphys_mfns);
  decode_mfns(record.lost_references(), lost_references);
  for (const auto& d : record.domains()) domains.push_back(decode(d));
  dom_xen = decode(record.dom_xen());
  dom_io = decode(record.dom_io());
  if (record.has_current()) current = {record.current_domain(), record.current_vcpu()};
  return image;
}

}  // namespace pvmmu::tools
