#include "hypervisor-model/machine_image.h"

#include <algorithm>
#include <cassert>

namespace pvmmu::xen {
namespace {

// What is not plain state has to be saved by name. A member more: add it to `vcpu_image` or `domain_image` as well.
static_assert(sizeof(vcpu) == sizeof(vcpu_state) + 3 * sizeof(void*), "dom, old_guest_table, old_guest_ptpg");
static_assert(sizeof(domain) == sizeof(domain_state) + sizeof(machine*) + sizeof(u64) + sizeof(decltype(domain::vcpus)),
              "m, domid and kind, vcpus");
static_assert(sizeof(heap) == sizeof(heap_state) + 2 * sizeof(void*), "the frame table and its size");

std::optional<mfn_t> saved(const machine& m, const page_info* pg) {
  if (!pg) return std::nullopt;
  return m.mfn_of(*pg);
}

domain_image saved(const machine& m, const domain& d) {
  domain_image image{d.domid, d.kind, static_cast<const domain_state&>(d), {}};
  for (const auto& v : d.vcpus) {
    assert(!v->in_multicall && "an image is of a moment between two calls");
    image.vcpus.push_back(
        {static_cast<const vcpu_state&>(*v), saved(m, v->old_guest_table), saved(m, v->old_guest_ptpg)});
  }
  return image;
}

page_info* restored(machine& m, std::optional<mfn_t> mfn) { return mfn ? &m.page(*mfn) : nullptr; }

std::unique_ptr<domain> restored(machine& m, const domain_image& image) {
  auto d = std::make_unique<domain>(m, image.domid, image.kind);
  static_cast<domain_state&>(*d) = image.state;
  for (const vcpu_image& of_vcpu : image.vcpus) {
    auto v = std::make_unique<vcpu>();
    static_cast<vcpu_state&>(*v) = of_vcpu.state;
    v->dom = d.get();
    v->old_guest_table = restored(m, of_vcpu.old_guest_table);
    v->old_guest_ptpg = restored(m, of_vcpu.old_guest_ptpg);
    d->vcpus.push_back(std::move(v));
  }
  return d;
}

}  // namespace

machine_image save(const machine& m, const machine_image* like) {
  // Every member is named here, so that none is forgotten: does this not compile, then say in `machine_image` what the
  // new one holds, unless it is no state of the machine. The unnamed ones lead to what the others hold, or are the
  // listeners and the preemption.
  const auto& [current, perfc, mmio_ro_ranges, xen_l4_slots, machphys_mfns, lost_references, config, frame_table, ram,
               m2p, frames_of_table, words_of_ram, words_of_m2p, heap, tlbflush_clock, sink, listeners, reasons,
               preemption, domains, dom_xen, dom_io] = m;
  machine_image image{.config = config,
                      .frame_table = save(frame_table, like ? &like->frame_table : nullptr),
                      .ram = save(ram, like ? &like->ram : nullptr),
                      .m2p = save(m2p, like ? &like->m2p : nullptr),
                      .heap = heap.save(),
                      .tlbflush_clock = tlbflush_clock,
                      .perfc = perfc,
                      .mmio_ro_ranges = mmio_ro_ranges,
                      .xen_l4_slots = xen_l4_slots,
                      .machphys_mfns = machphys_mfns,
                      .lost_references = lost_references,
                      .dom_xen = saved(m, *dom_xen),
                      .dom_io = saved(m, *dom_io)};
  for (const auto& d : domains) {
    image.domains.push_back(saved(m, *d));
    const auto v = std::ranges::find(d->vcpus, current, [](const auto& each) { return each.get(); });
    if (v != d->vcpus.end())
      image.current = {image.domains.size() - 1, static_cast<u64>(std::distance(d->vcpus.begin(), v))};
  }
  return image;
}

std::unique_ptr<machine> restore(const machine_image& image) {
  auto m = std::make_unique<machine>(image.config);
  restore(image.frame_table, m->frame_table_memory_);
  restore(image.ram, m->ram_);
  restore(image.m2p, m->m2p_memory_);
  m->heap_.restore(image.heap);
  m->tlbflush_clock_ = image.tlbflush_clock;
  m->perfc = image.perfc;
  m->mmio_ro_ranges = image.mmio_ro_ranges;
  m->xen_l4_slots = image.xen_l4_slots;
  m->machphys_mfns = image.machphys_mfns;
  m->lost_references = image.lost_references;
  for (const domain_image& d : image.domains) m->domains_.push_back(restored(*m, d));
  m->dom_xen_ = restored(*m, image.dom_xen);
  m->dom_io_ = restored(*m, image.dom_io);
  if (image.current) m->current = m->domains_[image.current->first]->vcpus[image.current->second].get();
  return m;
}

}  // namespace pvmmu::xen
