#include "hypervisor-model/machine_image_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <unordered_set>

#include "hypervisor-model/audit.h"

namespace pvmmu::xen {
namespace {

struct contradiction : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Args>
void expect(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) throw contradiction(fmt::format(format, std::forward<Args>(args)...));
}

// ---- what is an index: before a machine is made

void expect_pages_within(const memory_image& memory, u64 bytes, const char* what) {
  u64 lowest = 0;
  for (const memory_image::page& page : memory.pages) {
    expect(lowest <= page.number && page.number < (bytes + PAGE_SIZE - 1) / PAGE_SIZE, "page {:#x} of the {}",
           page.number, what);
    lowest = page.number + 1;
  }
}

class index_check {
 public:
  explicit index_check(const machine_image& image) : image_(image) {}

  void run() const {
    const u64 frames = image_.config.frames;
    expect_pages_within(image_.frame_table, frames * sizeof(page_info), "frame table");
    expect_pages_within(image_.ram, frames * PAGE_SIZE, "memory");
    expect_pages_within(image_.m2p, frames * sizeof(u64), "machine-to-phys table");
    expect(image_.heap.next_unused <= frames, "the heap's next frame is {:#x}", image_.heap.next_unused);
    for (const mfn_t mfn : image_.lost_references) expect_frame(mfn, "a lost reference");
    std::unordered_set<domid_t> domids;
    for (const domain_image& d : image_.domains) {
      expect(d.domid < DOMID_FIRST_RESERVED && domids.insert(d.domid).second, "domain {} is there twice", d.domid);
      expect(!d.vcpus.empty() && d.vcpus.size() <= max_vcpus_per_domain, "domain {} has {} vCPUs", d.domid,
             d.vcpus.size());
      check(d);
    }
    check_xens(image_.dom_xen, DOMID_XEN);
    check_xens(image_.dom_io, DOMID_IO);
    const auto& current = image_.current;
    expect(!current || (current->first < image_.domains.size() &&
                        current->second < image_.domains[current->first].vcpus.size()),
           "the current vCPU is none");
  }

 private:
  void expect_frame(mfn_t mfn, const char* what) const {
    expect(mfn.n < image_.config.frames, "{} is mfn {:#x}, frames below {:#x} are expected", what, mfn.n,
           image_.config.frames);
  }

  void check_xens(const domain_image& d, domid_t domid) const {
    expect(d.domid == domid && d.vcpus.empty() && d.state.grants == grant_table{} && !d.state.is_dying,
           "domain {} in the place of Xen's own domain {}", d.domid, domid);
    check(d);
  }

  void check(const domain_image& d) const {
    expect_frame({d.state.page_list}, "the first of a domain's frames");
    expect_frame(d.state.shared_info, "a shared_info");
    for (const vcpu_image& v : d.vcpus) check(v);
    const grant_table& grants = d.state.grants;
    for (const mfn_t mfn : grants.shared) expect_frame(mfn, "a frame of grants");
    for (const mfn_t mfn : grants.status) expect_frame(mfn, "a frame of grants' status");
    for (const active_grant_entry& active : grants.active) expect_frame(active.mfn, "an active grant");
    expect(grants.version == 1 || grants.version == 2, "a grant table of version {}", grants.version);
    expect(grants.active.size() == grants.shared.size() * grants_per_frame, "domain {} has {} grants in {} frames",
           d.domid, grants.active.size(), grants.shared.size());
    expect(grants.version == 1 || grants.status.size() * status_per_frame >= grants.nr_entries(),
           "domain {} has {} frames for the status of {} grants", d.domid, grants.status.size(), grants.nr_entries());
    for (const grant_mapping& map : grants.maptrack) check(map, d);
    check_free_handles(d);
  }

  void check(const vcpu_image& v) const {
    const vcpu_state& state = v.state;
    expect_frame(state.guest_table, "a vCPU's L4");
    expect_frame(state.guest_table_user, "a vCPU's L4 of user mode");
    expect_frame(v.old_guest_table.value_or(mfn_t{}), "an old_guest_table");
    expect_frame(v.old_guest_ptpg.value_or(mfn_t{}), "an old_guest_ptpg");
    for (const mfn_t mfn : state.ldt_frames) expect_frame(mfn, "a frame of an LDT");
    for (const mfn_t mfn : state.gdt_frames) expect_frame(mfn, "a frame of a GDT");
    expect(state.ldt_ents <= ldt_frames_max * entries_per_table, "an LDT of {} entries", state.ldt_ents);
    expect(state.tlb.size() <= (image_.config.tlb ? tlb_capacity : 0), "a TLB with {} translations", state.tlb.size());
    expect(state.gdt_ents <= gdt_frames_max * entries_per_table, "a GDT of {} entries", state.gdt_ents);
  }

  void check(const grant_mapping& map, const domain_image& d) const {
    expect(map.vcpu < d.vcpus.size(), "a mapping of vCPU {} of domain {}, which has {}", map.vcpu, d.domid,
           d.vcpus.size());
    if (map.flags == 0) return;
    expect((map.flags & (GNTMAP_host_map | GNTMAP_device_map)) != 0, "a mapping for nobody: flags {:#x}", map.flags);
    const auto granter = std::ranges::find(image_.domains, map.domid, &domain_image::domid);
    expect(granter != image_.domains.end() && map.ref < granter->state.grants.active.size(),
           "a mapping of grant {} of domain {}, which has none such", map.ref, map.domid);
  }

  void check_free_handles(const domain_image& d) const {
    const auto& maptrack = d.state.grants.maptrack;
    std::vector<bool> seen(maptrack.size());
    for (const vcpu_image& v : d.vcpus) {
      u32 last = MAPTRACK_TAIL;
      for (u32 handle = v.state.maptrack_head; handle != MAPTRACK_TAIL; handle = maptrack[handle].ref) {
        expect(handle < maptrack.size() && !seen[handle] && maptrack[handle].flags == 0 &&
                   maptrack[handle].vcpu == v.state.id,
               "handle {} on the list of free ones of vCPU {} of domain {}", handle, v.state.id, d.domid);
        seen[handle] = true;
        last = handle;
      }
      expect(last == v.state.maptrack_tail, "the free handles of vCPU {} of domain {} end otherwise than told",
             v.state.id, d.domid);
    }
    for (const grant_mapping& map : maptrack)
      expect(d.vcpus[map.vcpu].state.maptrack_tail != MAPTRACK_TAIL,
             "vCPU {} of domain {} has handles and no list of free ones", map.vcpu, d.domid);
  }

  const machine_image& image_;
};

// ---- lists of frames

class list_check {
 public:
  list_check(machine& m, const machine_image& image) : m_(m), image_(image), listed_(m.config().frames) {}

  void run() {
    for (const auto& d : m_.domains())
      expect(walk(*d) == d->tot_pages, "domain {} has not the {} frames of memory that it is said to have", d->domid,
             d->tot_pages);
    walk(m_.dom_xen());
    walk(m_.dom_io());
    walk_free_list();
    for (const auto& d : m_.domains()) check_xens_frames(*d);
    for (const memory_image::page& page : image_.frame_table.pages) {
      const u64 first = page.number * PAGE_SIZE / sizeof(page_info);
      const u64 end = std::min(first + PAGE_SIZE / sizeof(page_info), m_.config().frames);
      for (u64 n = first; n < end; ++n) check_frame(n);
    }
  }

 private:
  /// Returns how many frames of memory, without what Xen shares.
  u64 walk(const domain& d) {
    u64 pages = 0;
    u32 previous = 0;
    for (u32 n = d.page_list; n != 0; n = m_.page({n}).next) {
      const page_info& pg = list(n, previous);
      expect(pg.owner == d.owner(), "frame {:#x} on the page list of domain {}", n, d.domid);
      if (!(pg.count_info & PGC_xen_heap)) ++pages;
      previous = n;
    }
    return pages;
  }

  void walk_free_list() {
    u32 previous = 0;
    for (u32 n = image_.heap.free_list; n != 0; n = m_.page({n}).next) {
      const page_info& pg = list(n, previous);
      expect(pg.owner == owner_none && pg.ref_count() == 0 && pg.type_count() == 0, "frame {:#x} on the free list", n);
      previous = n;
    }
  }

  const page_info& list(u32 n, u32 previous) {
    expect(n < m_.config().frames && !listed_[n] && m_.page({n}).prev == previous,
           "frame {:#x} on a list, behind frame {:#x}", n, previous);
    listed_[n] = true;
    return m_.page({n});
  }

  /// They are given back when their domain ends: nobody else may have them.
  void check_xens_frames(const domain& d) {
    std::vector<mfn_t> frames = d.grants.shared;
    frames.insert(frames.end(), d.grants.status.begin(), d.grants.status.end());
    if (d.shared_info.n != 0) frames.push_back(d.shared_info);
    for (const mfn_t mfn : frames) {
      const page_info& pg = m_.page(mfn);
      const bool shared = pg.owner == d.owner() && (pg.count_info & PGC_xen_heap) != 0;
      const bool kept = pg.owner == owner_none && !listed_[mfn.n] && pg.ref_count() == 0;
      expect((shared || kept) && xens_.insert(mfn).second, "frame {:#x} is not Xen's for domain {} alone", mfn.n,
             d.domid);
    }
  }

  void check_frame(u64 n) {
    const page_info& pg = m_.page({n});
    if (listed_[n]) return;
    const bool nobodys = pg.owner == owner_none || pg.owner == owner_hole || pg.owner == m_.dom_io().owner() ||
                         pg.owner == m_.dom_xen().owner();
    expect(nobodys && pg.next == 0 && pg.prev == 0, "frame {:#x} of owner {:#x} is on no list", n, pg.owner);
  }

  machine& m_;
  const machine_image& image_;
  std::vector<bool> listed_;
  std::unordered_set<mfn_t> xens_{};
};

}  // namespace

std::expected<std::unique_ptr<machine>, std::string> restore_checked(const machine_image& image) try {
  index_check(image).run();
  auto m = restore(image);
  list_check(*m, image).run();
  if (const auto findings = audit(*m); !findings.empty())
    return std::unexpected(fmt::format("the machine's image contradicts itself: {} mfn {:#x}: {}",
                                       findings.front().invariant, findings.front().mfn.n, findings.front().text));
  return m;
} catch (const contradiction& e) {
  return std::unexpected(std::string("the machine's image contradicts itself: ") + e.what());
} catch (const std::invalid_argument& e) {
  return std::unexpected(e.what());
}

}  // namespace pvmmu::xen
