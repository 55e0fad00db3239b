#include "tests/tools/conform/random_program.h"

#include <algorithm>
#include <array>

#include "proto/abi/access.h"

namespace pvmmu::conform {

namespace {

class maker {
 public:
  explicit maker(std::mt19937_64& rng) : rng_(rng) {}

  lab::program program() {
    p_.nr_frames = below(5) + 1;
    p_.nr_untouched = below(p_.nr_frames);
    p_.nr_foreign = below(3);
    p_.nr_adopted = below(3);
    p_.nr_grants = below(3);
    for (u32 i = below(6); i-- > 0;) p_.contents.push_back(content());
    // As a file has them: the grants, then frame by frame.
    std::ranges::stable_sort(p_.contents, {}, &lab::content::frame);
    for (u32 i = 0; i < p_.nr_grants; ++i)
      p_.contents.insert(
          p_.contents.begin() + i,
          {.frame = probe::name_grant_table, .slot = static_cast<u16>(i), .value = entry_word_without_earlier()});
    for (u32 i = below(6); i-- > 0;) p_.calls.push_back(call());
    return p_;
  }

 private:
  u32 below(u32 n) { return static_cast<u32>(rng_() % n); }
  bool one_in(u32 n) { return below(n) == 0; }

  u64 number() {
    static constexpr std::array<u64, 8> some{0, 1, 7, 0x67, 0xfff, 0x8000000000000027, 0xfee00003, 0xffffffffffffffff};
    return one_in(3) ? rng_() : some[below(some.size())];
  }
  u32 number32() { return one_in(2) ? below(4) : static_cast<u32>(rng_()); }

  u32 frame() {
    static constexpr std::array<u32, 7> given{probe::name_window_l1, probe::name_window_l2,   probe::name_window_l3,
                                              probe::name_probe_l4,  probe::name_shared_info, probe::name_grant_table,
                                              probe::name_m2p};
    if (one_in(5)) return given[below(given.size())];
    if (p_.nr_foreign != 0 && one_in(5)) return probe::name_foreign + below(p_.nr_foreign);
    return below(p_.nr_frames + p_.nr_adopted);
  }

  lab::word word() {
    using lab::word_kind;
    const u64 value = one_in(2) ? 0 : number();
    switch (below(11)) {
      case 8: return {.value = value, .kind = word_kind::grant_high, .index = below(8)};
      case 9: return {.value = value, .kind = word_kind::grant_maddr, .index = below(8)};
      case 0: return {.value = value, .kind = word_kind::maddr, .index = frame()};
      case 1: return {.value = value, .kind = word_kind::mfn, .index = frame()};
      case 2: return {.value = value, .kind = word_kind::window, .index = below(probe::window_slots)};
      case 3: return {.value = value, .kind = word_kind::blob, .index = below(4)};
      case 4: return {.value = value, .kind = word_kind::unmapped};
      case 5: return {.value = value, .kind = word_kind::l4_entry, .index = below(512)};
      case 6: return {.value = value, .kind = word_kind::mfn_high, .index = frame()};
      case 7: {
        const auto calls = static_cast<u32>(p_.calls.size());
        if (calls == 0) return lab::plain(value);
        return {.value = value, .kind = word_kind::earlier_high, .index = below(calls) << 16 | below(10)};
      }
      default: return lab::plain(number());
    }
  }
  lab::word table_word() { return one_in(4) ? word() : lab::entry_of(frame(), below(512), below(8)); }
  lab::word entry_word() { return one_in(4) ? word() : lab::pte_to(frame(), number()); }

  lab::content content() {
    const u32 slot = below(512);
    const bool foreign = p_.nr_foreign != 0 && one_in(4);
    return {.frame = foreign ? probe::name_foreign + below(p_.nr_foreign) : below(p_.nr_frames - p_.nr_untouched),
            .slot = static_cast<u16>(slot),
            .nr = static_cast<u16>(one_in(2) ? 1 : below(512 - slot) + 1),
            .value = entry_word_without_earlier()};
  }
  lab::word entry_word_without_earlier() {
    lab::word w = entry_word();
    return w.kind == lab::word_kind::earlier_high ? lab::plain(w.value) : w;
  }

  done_arg pdone() { return {.where = static_cast<done_arg::state>(below(3)), .value = number32()}; }
  vcpumask_arg mask() { return one_in(3) ? std::nullopt : vcpumask_arg{number()}; }
  u32 owner() { return one_in(2) ? u32{DOMID_SELF} : number32(); }

  template <class Call>
  void batch(Call& c, std::size_t there) {
    c.count = one_in(2) ? static_cast<u32>(there) : number32();
    c.null_list = one_in(8);
    c.pdone = pdone();
    c.foreigndom = owner();
  }

  lab::simple_call simple_call() {
    switch (below(9)) {
      case 7: {
        lab::map_grant_ref c{.count = number32()};
        for (u32 i = below(4); i-- > 0;) c.uop.push_back({word(), number32(), word(), static_cast<domid_t>(number())});
        return c;
      }
      case 8: {
        lab::unmap_grant_ref c{.count = number32()};
        for (u32 i = below(4); i-- > 0;) c.uop.push_back({word(), word(), word()});
        return c;
      }
      case 0: {
        lab::mmu_update c;
        for (u32 i = below(4); i-- > 0;) c.ureqs.push_back({table_word(), entry_word()});
        batch(c, c.ureqs.size());
        return c;
      }
      case 1: {
        lab::mmuext_op c;
        for (u32 i = below(4); i-- > 0;) c.uops.push_back({one_in(2) ? below(24) : number32(), word(), word(), mask()});
        batch(c, c.uops.size());
        return c;
      }
      case 2: {
        lab::update_va_mapping c{.va = word(), .val = entry_word(), .flags = one_in(2) ? below(8) : number()};
        c.mask_scope = one_in(3);
        if (c.mask_scope) c.vcpumask = mask();
        if (one_in(3)) c.otherdomain = static_cast<domid_t>(number());
        return c;
      }
      case 3: {
        lab::set_gdt c{.null_list = one_in(8), .entries = number32()};
        for (u32 i = below(4); i-- > 0;) c.frame_list.push_back(one_in(2) ? word() : lab::mfn_of_frame(frame()));
        return c;
      }
      case 4: return lab::update_descriptor{.maddr = table_word(), .desc = number()};
      case 5: return lab::vm_assist{.cmd = number32(), .type = number32()};
      default: return raw_call();
    }
  }

  lab::raw_call raw_call() {
    lab::raw_call c{.op = number()};
    for (u32 i = below(6); i-- > 0;) c.args.push_back(word());
    for (u32 i = below(3); i-- > 0;) {
      lab::blob& b = c.blobs.emplace_back(lab::blob{.words = {}, .out = one_in(2)});
      for (u32 k = below(4); k-- > 0;) b.words.push_back(word());
    }
    if (c.blobs.empty() || one_in(2)) return c;
    c.adopt_blob = below(static_cast<u32>(c.blobs.size()));
    c.adopt_first = below(p_.nr_frames + p_.nr_adopted);
    c.adopt_number = below(3);
    return c;
  }

  lab::call call() {
    if (one_in(16))
      return lab::memory_access{.op = probe::access_op::load_selector,
                                .value = lab::plain(below(8192) << 3 | selector_ti | below(4))};
    if (one_in(4))
      return lab::memory_access{.op = static_cast<probe::access_op>(below(4)),
                                .bytes = static_cast<u8>(1 << below(4)),
                                .va = word(),
                                .value = entry_word(),
                                .expected = entry_word()};
    if (!one_in(4)) return std::visit([](auto&& c) -> lab::call { return c; }, simple_call());
    lab::multicall m{.nr_calls = number32(), .null_list = one_in(8)};
    for (u32 i = below(4); i-- > 0;) m.entries.push_back(simple_call());
    return m;
  }

  std::mt19937_64& rng_;
  lab::program p_;
};

}  // namespace

lab::program random_program(std::mt19937_64& rng) { return maker(rng).program(); }

}  // namespace pvmmu::conform
