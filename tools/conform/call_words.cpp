#include "tools/conform/call_words.h"

namespace pvmmu::conform {
namespace {

struct visitor {
  const std::function<void(lab::word&)>& fn;

  void operator()(lab::mmu_update& c) const {
    for (lab::mmu_update_entry& e : c.ureqs) all(e.ptr, e.val);
  }
  void operator()(lab::mmuext_op& c) const {
    for (lab::mmuext_entry& e : c.uops) all(e.arg1, e.arg2);
  }
  void operator()(lab::update_va_mapping& c) const { all(c.va, c.val); }
  void operator()(lab::set_gdt& c) const { list(c.frame_list); }
  void operator()(lab::update_descriptor& c) const { fn(c.maddr); }
  void operator()(lab::vm_assist&) const {}
  void operator()(lab::map_grant_ref& c) const {
    for (lab::grant_map_entry& e : c.uop) all(e.host_addr, e.ref);
  }
  void operator()(lab::unmap_grant_ref& c) const {
    for (lab::grant_unmap_entry& e : c.uop) all(e.host_addr, e.dev_bus_addr, e.handle);
  }
  void operator()(lab::memory_op& c) const {
    std::visit([this](auto& arg) { argument(arg); }, c.arg);
  }
  void operator()(lab::iret&) const {}
  void operator()(lab::vcpu_op& c) const {
    if (!c.arg) return;
    list(c.arg->gdt_frames);
    all(c.arg->user_cr3, c.arg->cr3);
  }
  void operator()(lab::raw_call& c) const {
    list(c.args);
    for (lab::blob& b : c.blobs) list(b.words);
  }
  void operator()(lab::multicall& c) const {
    for (lab::simple_call& e : c.entries) std::visit(*this, e);
  }
  void operator()(lab::memory_access& c) const { all(c.va, c.value, c.expected); }

 private:
  template <class... Words>
  void all(Words&... words) const {
    (fn(words), ...);
  }
  void list(std::vector<lab::word>& words) const {
    for (lab::word& w : words) fn(w);
  }
  void extents(lab::extent_words& e) const {
    list(e.words);
    if (e.at) fn(*e.at);
  }
  void argument(std::monostate&) const {}
  void argument(lab::memory_reservation& r) const { extents(r.extents); }
  void argument(lab::memory_exchange& e) const {
    extents(e.in.extents);
    extents(e.out.extents);
  }
  void argument(lab::machphys_mfn_list& l) const { extents(l.extents); }
};

}  // namespace

void for_words(lab::call& c, const std::function<void(lab::word&)>& fn) { std::visit(visitor{fn}, c); }

}  // namespace pvmmu::conform
