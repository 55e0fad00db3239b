#include "hypervisor-model/machine/machine.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <stdexcept>

#include "hypervisor-model/domain.h"

namespace pvmmu::xen {
namespace {

constexpr u64 frames_min = 1024;
constexpr u64 frames_max = u64{1} << 28;

/// The first MiB is I/O space to every domain (xen 4.17 mm.c arch_init_memory).
constexpr u64 dom_io_frames = 256;
/// Xen keeps the frames after it to itself; guests get what follows.
constexpr u64 first_heap_frame = 512;
constexpr u64 ro_m2p_l3_frame = dom_io_frames;
constexpr unsigned xen_virt_slot = 261;  ///< Xen itself; the directmap follows

machine_config checked(const machine_config& config) {
  if (config.frames < frames_min || config.frames > frames_max) {
    throw std::invalid_argument(
        fmt::format("a machine has {} to {} frames of 4 KiB, not {}", frames_min, frames_max, config.frames));
  }
  return config;
}

}  // namespace

machine::machine(const machine_config& config)
    : config_(checked(config)),
      frame_table_memory_(config.frames * sizeof(page_info)),
      ram_(config.frames * PAGE_SIZE),
      m2p_memory_(config.frames * sizeof(u64)),
      frames_(static_cast<page_info*>(frame_table_memory_.data())),
      memory_(static_cast<u64*>(ram_.data())),
      m2p_(static_cast<u64*>(m2p_memory_.data())),
      heap_(frames_, config.frames, first_heap_frame),
      dom_xen_(std::make_unique<domain>(*this, DOMID_XEN, domain_kind::domU)),
      dom_io_(std::make_unique<domain>(*this, DOMID_IO, domain_kind::domU)) {
  for (u64 n = 0; n < dom_io_frames; ++n) {
    frames_[n].owner = dom_io_->owner();
    frames_[n].count_info = PGC_allocated | 1;
    frames_[n].type_info = PGT_writable_page | PGT_validated | 1;
  }
  constexpr u64 hypervisor_ro = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED | PAGE_NX;
  xen_l4_slots[0] = make_pte({ro_m2p_l3_frame}, hypervisor_ro);
  // Slot 261 has Xen's code, so it may be executed; the directmap has a slot for each 512 GiB.
  const u64 directmap_slots = (config_.frames * PAGE_SIZE + (u64{1} << 39) - 1) >> 39;
  for (unsigned slot = xen_virt_slot; slot <= xen_virt_slot + directmap_slots; ++slot) {
    const u64 flags = slot == xen_virt_slot ? PAGE_HYPERVISOR_RW & ~PAGE_NX : PAGE_HYPERVISOR_RW;
    xen_l4_slots[slot - first_xen_slot] = make_pte({ro_m2p_l3_frame + slot - xen_virt_slot + 1}, flags);
  }
}

machine::~machine() = default;

std::optional<mfn_t> machine::alloc_heap_pages(unsigned order, u64 limit) {
  const auto first = heap_.take(order, limit);
  if (!first) return std::nullopt;
  for (mfn_t mfn = *first; mfn.n < first->n + (u64{1} << order); ++mfn) {
    page_info& pg = page(mfn);
    pg.owner = owner_in_transit;
    if (pg.type_info != 0) set_type_info(pg, 0);
    if (!is_free(pg.count_info)) continue;  // never used
    if (pg.count_info & PGC_need_scrub) std::memset(words(mfn), 0, PAGE_SIZE);
    set_count_info(pg, 0);
    for (const auto& d : domains_) flush_tlb(*d, tlbflush_filter(*d, pg), flush_reason::new_owner);
  }
  return first;
}

void machine::give_page(domain& d, page_info& pg) {
  pg.owner = d.owner();
  set_count_info(pg, PGC_allocated | 1);
  link(d, pg);
}

std::optional<mfn_t> machine::alloc_xenheap_page() {
  const auto mfn = alloc_heap_pages(0);
  if (!mfn) return std::nullopt;
  page(*mfn).owner = owner_none;
  std::memset(words(*mfn), 0, PAGE_SIZE);
  return mfn;
}

std::optional<mfn_t> machine::alloc_domheap_page(domain& d) {
  const auto mfn = alloc_heap_pages(0);
  if (mfn) give_page(d, page(*mfn));
  return mfn;
}

void machine::steal_page(page_info& pg) {
  domain* d = page_owner(pg);
  assert(d && pg.ref_count() == 1 && pg.type_count() == 0 && "nothing refers to it but the allocation");
  unlink(*d, pg);
  pg.owner = owner_in_transit;
  set_count_info(pg, 0);
  set_type_info(pg, 0);
}

void machine::free_domheap_page(page_info& pg) {
  domain* d = page_owner(pg);
  assert(pg.ref_count() == 0 && "only a frame without references is freed");
  if (d) unlink(*d, pg);
  if (d && (pg.count_info & PGC_xen_heap)) return;  // Xen itself still uses it
  give_back(pg, !d || d->is_dying);
}

void machine::give_back(page_info& pg, bool scrub) {
  set_tlbflush_timestamp(pg);
  set_count_info(pg, PGC_state_free | (scrub ? PGC_need_scrub : 0));
  set_type_info(pg, 0);
  pg.owner = owner_none;
  set_gpfn_from_mfn(mfn_of(pg), INVALID_PFN.n);
  heap_.give_back(mfn_of(pg));
}

void machine::free_xenheap_page(mfn_t mfn) { give_back(page(mfn), true); }

void machine::link(domain& d, page_info& pg) {
  const auto n = static_cast<u32>(mfn_of(pg).n);
  pg.prev = 0;
  pg.next = d.page_list;
  if (d.page_list != 0) frames_[d.page_list].prev = n;
  d.page_list = n;
  if (!(pg.count_info & PGC_xen_heap)) ++d.tot_pages;
}

void machine::unlink(domain& d, page_info& pg) {
  if (pg.prev != 0) {
    frames_[pg.prev].next = pg.next;
  } else {
    d.page_list = pg.next;
  }
  if (pg.next != 0) frames_[pg.next].prev = pg.prev;
  pg.prev = pg.next = 0;
  if (!(pg.count_info & PGC_xen_heap)) --d.tot_pages;
}

void machine::adopt_page(domain& d, mfn_t mfn) {
  page_info& pg = page(mfn);
  assert(pg.owner == owner_none && "a frame has one owner");
  heap_.claim(mfn);
  pg.owner = d.owner();
  link(d, pg);
}

bool machine::mmio_read_only(mfn_t mfn) const {
  return std::ranges::any_of(mmio_ro_ranges, [mfn](const mfn_range& r) { return r.contains(mfn); });
}

void machine::set_gpfn_from_mfn(mfn_t mfn, u64 pfn) {
  notify(event_kind::m2p, 0, mfn, m2p_[mfn.n], pfn);
  m2p_[mfn.n] = pfn;
}

u64 machine::gpfn_from_mfn(mfn_t mfn) const { return mfn.n < config_.frames ? m2p_[mfn.n] : INVALID_PFN.n; }

void machine::choose_sink() {
  sink_ = !listeners_.first ? listeners_.second : !listeners_.second ? listeners_.first : &listeners_;
}

void machine::print(const std::string& line) {
  const std::string text = "(XEN) " + line;
  sink_->on_event({event_kind::message, 0, {}, 0, 0, text});
}

std::string machine::current_name() const {
  return current ? fmt::format("d{}v{}", current->dom->domid, current->id) : "d[IDLE]v0";
}

domain* machine::find_domain(domid_t domid) {
  const auto found = std::ranges::find(domains_, domid, [](const auto& d) { return d->domid; });
  return found == domains_.end() ? nullptr : found->get();
}

domain* machine::page_owner(const page_info& pg) {
  if (pg.owner == owner_none || pg.owner >= owner_in_transit) return nullptr;
  if (current && pg.owner == current->dom->owner()) return current->dom;  // nearly always
  if (pg.owner == dom_io_->owner()) return dom_io_.get();
  if (pg.owner == dom_xen_->owner()) return dom_xen_.get();
  return find_domain(static_cast<domid_t>(pg.owner - 1));
}

domain& machine::add_domain(domain_kind kind) {
  domid_t domid = 0;
  while (find_domain(domid)) ++domid;
  assert(domid < DOMID_FIRST_RESERVED);
  domains_.push_back(std::make_unique<domain>(*this, domid, kind));
  return *domains_.back();
}

void machine::remove_domain(domid_t domid) {
  const auto found = std::ranges::find(domains_, domid, [](const auto& d) { return d->domid; });
  assert(found != domains_.end());
  domain_relinquish_resources(**found);
  // Others may still reference some of its frames, or have mapped its grants: then it stays, dying, until they are
  // free (Xen's zombies).
  std::vector<const domain*> gone;
  for (const auto& d : domains_) {
    if (d->is_dying && d->page_list == 0 && !somebody_maps_grants_of(*d)) gone.push_back(d.get());
  }
  for (const domain* d : gone) {
    for (const mfn_t mfn : d->grants.shared) free_xenheap_page(mfn);
    for (const mfn_t mfn : d->grants.status) free_xenheap_page(mfn);
    if (d->shared_info.n != 0) free_xenheap_page(d->shared_info);
  }
  std::erase_if(domains_, [&gone](const auto& d) { return std::ranges::count(gone, d.get()) != 0; });
}

bool machine::somebody_maps_grants_of(const domain& granter) const {
  const auto maps = [&granter](const grant_mapping& map) { return map.flags != 0 && map.domid == granter.domid; };
  return std::ranges::any_of(domains_, [&](const auto& d) { return std::ranges::any_of(d->grants.maptrack, maps); });
}

void machine::flush_tlb(domain& d, u64 vcpus, flush_reason reason) {
  if (vcpus == 0) return;
  ++perfc.flushes;
  ++tlbflush_clock_;
  for (u64 rest = vcpus; rest != 0; rest &= rest - 1) {
    vcpu& v = *d.vcpus[static_cast<unsigned>(std::countr_zero(rest))];
    v.tlbflush_time = tlbflush_clock_;
    tlb_flush(*this, v);
  }
  notify(event_kind::flush, 0, {}, static_cast<u64>(reason), vcpus);
}

void machine::flush_tlb_one(domain& d, u64 vcpus, u64 va) {
  if (vcpus == 0) return;
  ++perfc.flushes;
  for (u64 rest = vcpus; rest != 0; rest &= rest - 1)
    tlb_flush_one(*this, *d.vcpus[static_cast<unsigned>(std::countr_zero(rest))], va);
  notify(event_kind::flush, 1, {va >> PAGE_SHIFT}, static_cast<u64>(flush_reason::guest), vcpus);
}

u64 machine::tlbflush_filter(const domain& d, const page_info& pg) const {
  if (pg.aux > tlbflush_clock_) return 0;
  u64 mask = 0;
  for (const auto& v : d.vcpus) {
    if (v->tlbflush_time <= pg.aux && v->guest_table.n != 0) mask |= u64{1} << v->id;
  }
  return mask;
}

}  // namespace pvmmu::xen
