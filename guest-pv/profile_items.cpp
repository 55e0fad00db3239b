#include "guest-pv/profile_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace pvmmu::guest {
namespace {

using namespace std::string_view_literals;

// The values of each type, in the order in which the type has them.
template <class T>
constexpr std::array<std::string_view, 0> names{};
template <>
constexpr std::array names<bool>{"false"sv, "true"sv};
template <>
constexpr std::array names<table_move>{"never"sv, "set_entry"sv, "native_store"sv, "populate"sv};
template <>
constexpr std::array names<mremap_flush>{"at_end"sv, "dirty_under_lock"sv, "always_under_lock"sv};
template <>
constexpr std::array names<write_back>{"never"sv, "dirty"sv, "always"sv};
template <>
constexpr std::array names<remote_flush>{"local_then_others"sv, "one_multi"sv};
template <>
constexpr std::array names<new_kernel_pgds>{"by_fault"sv, "synced"sv};
template <>
constexpr std::array names<pte_batch>{"single"sv, "compared"sv, "folio"sv};
template <>
constexpr std::array names<vunmap_clearing>{"at_purge"sv, "at_once"sv};

template <>
constexpr std::array names<lazy_rule>{"bug"sv, "counted"sv, "in_task"sv, "tolerated"sv};
template <>
constexpr std::array names<prot_change>{"clear_and_set"sv, "plain"sv, "preserve_ad"sv};
template <>
constexpr std::array names<cr3_asked>{"logical_cr3"sv, "current_cr3"sv};

template <auto Field>
using type_of = std::remove_cvref_t<decltype(std::declval<kernel_profile>().*Field)>;

template <auto Field>
std::string get(const kernel_profile& p) {
  if constexpr (std::is_same_v<type_of<Field>, u64>)
    return fmt::format("{}", p.*Field);
  else
    return std::string(names<type_of<Field>>.at(static_cast<std::size_t>(p.*Field)));
}

template <auto Field>
bool set(kernel_profile& p, std::string_view value) {
  if constexpr (std::is_same_v<type_of<Field>, u64>) {
    u64 n = 0;
    const auto [end, error] = std::from_chars(value.begin(), value.end(), n);
    if (error != std::errc{} || end != value.end() || n == 0) return false;
    p.*Field = n;
  } else {
    const auto& all = names<type_of<Field>>;
    const auto at = std::ranges::find(all, value);
    if (at == all.end()) return false;
    p.*Field = static_cast<type_of<Field>>(at - all.begin());
  }
  return true;
}

template <auto Field>
constexpr profile_item item(std::string_view name, std::string_view decides) {
  return {name, decides, names<type_of<Field>>, get<Field>, set<Field>};
}

using p = kernel_profile;

constexpr std::array items{
    item<&p::pmd_move>("pmd_move", "how mremap moves a whole L1 table"),
    item<&p::pud_move>("pud_move", "how mremap moves a whole L2 table"),
    item<&p::realigns_moves>("realigns_moves", "mremap widens moves to whole tables where it can"),
    item<&p::moves_watched_tables>("moves_watched_tables", "mremap moves tables of userfaultfd's areas as a whole"),
    item<&p::move_ptes_chunk>("move_ptes_chunk", "entries that one move_ptes moves at most"),
    item<&p::move_flush>("move_flush", "where mremap flushes the TLB"),
    item<&p::tlb_flush>("tlb_flush", "how the pages of an mm that several CPUs use are flushed"),
    item<&p::alloc_ptpage_checks_pinned>("alloc_ptpage_checks_pinned", "alloc_ptpage pins no table that is pinned"),
    item<&p::mprotect_write_back>("mprotect_write_back", "which pages mprotect makes writable without a fault"),
    item<&p::mprotect_gathers>("mprotect_gathers", "mprotect flushes what changed, once at the end"),
    item<&p::userfaultfd_moves>("userfaultfd_moves", "UFFDIO_MOVE exists"),
    item<&p::saved_dirty>("saved_dirty", "what is not writable keeps its dirty bit in another"),
    item<&p::kfence_inverts>("kfence_inverts", "KFENCE inverts the frame number of an entry that it makes absent"),
    item<&p::hugetlb_in_pv>("hugetlb_in_pv", "processes can map huge pages"),
    item<&p::vmalloc_pgds>("vmalloc_pgds", "how pgds learn of a new slot of the kernel's half"),
    item<&p::vmalloc_fault_flushes>("vmalloc_fault_flushes", "vmalloc_fault leaves nothing queued in lazy MMU mode"),
    item<&p::vunmap_clears>("vunmap_clears", "when what vunmap takes away leaves the tables"),
    item<&p::unmaps_aliases_before_pin>("unmaps_aliases_before_pin",
                                        "lazily unmapped aliases go before a table is pinned"),
    item<&p::pte_batch_end>("pte_batch_end", "where fork's batch of one folio's entries ends"),
    item<&p::guards_l1_pin>("guards_l1_pin", "pinning an mm pins L1s with split page-table locks only"),
    item<&p::guards_l1_unpin>("guards_l1_unpin", "L1s are unpinned with split page-table locks only"),
    item<&p::lazy_nesting>("lazy_nesting", "what becomes of a lazy MMU section within another"),
    item<&p::set_ptes_enters_lazy>("set_ptes_enters_lazy", "set_ptes is a lazy MMU section of its own"),
    item<&p::prot_commit>("prot_commit", "how mprotect changes entries that are in use"),
    item<&p::drop_mm_ref>("drop_mm_ref", "which CPUs the end of an mm asks to let go of it"),
    item<&p::pin_locks_pte_pages>("pin_locks_pte_pages", "L1s are pinned one by one, locked until that is done"),
    item<&p::interrupts_are_lazy>("interrupts_are_lazy", "an interrupt is in the lazy mode of what it interrupts"),
    item<&p::check_pt_base_flushes>("check_pt_base_flushes", "a builder's table that becomes memory is flushed"),
    item<&p::cpa_flushes_lazy>("cpa_flushes_lazy", "changing the kernel's own mappings sends what is queued"),
};

std::string all_names() {
  std::string text;
  for (const profile_item& i : items) text += fmt::format("{}{}", text.empty() ? "" : ", ", i.name);
  return text;
}

}  // namespace

std::span<const profile_item> profile_items() { return items; }

std::expected<void, std::string> set_item(kernel_profile& profile, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  const std::string_view name = assignment.substr(0, equals);
  const auto at = std::ranges::find(items, name, &profile_item::name);
  if (at == items.end())
    return std::unexpected(fmt::format("a kernel has no item \"{}\": expected one of {}", name, all_names()));
  const std::string_view value = equals == std::string_view::npos ? "" : assignment.substr(equals + 1);
  if (at->set(profile, value)) return {};
  const std::string values =
      at->values.empty() ? "a number of 1 or more" : fmt::format("one of {}", fmt::join(at->values, ", "));
  return std::unexpected(fmt::format("item {} is \"{}\": expected {}=VALUE, {}", name, value, name, values));
}

std::vector<item_difference> different_items(const kernel_profile& here, const kernel_profile& there) {
  std::vector<item_difference> list;
  for (const profile_item& i : items)
    if (std::string a = i.get(here), b = i.get(there); a != b) list.push_back({i.name, a, b});
  return list;
}

}  // namespace pvmmu::guest
