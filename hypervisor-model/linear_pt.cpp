#include "hypervisor-model/linear_pt.h"

#include <cassert>
#include <limits>

#include "hypervisor-model/messages.h"
#include "hypervisor-model/page_type.h"
#include "hypervisor-model/unsaid.h"

namespace pvmmu::xen {
namespace {

bool inc_linear_entries(machine& m, page_info& table) {
  const s16 count = table.linear_pt_count();
  if (count < 0 || count == std::numeric_limits<s16>::max()) return false;
  m.set_linear_pt_count(table, static_cast<s16>(count + 1));
  return true;
}

bool inc_linear_uses(machine& m, page_info& table) {
  const s16 count = table.linear_pt_count();
  if (count > 0 || count == std::numeric_limits<s16>::min()) return false;
  m.set_linear_pt_count(table, static_cast<s16>(count - 1));
  return true;
}

/// Counts both sides of the relation, or neither.
bool link_linear(machine& m, page_info& table, page_info& target, u64 type) {
  const bool has_entry = inc_linear_entries(m, table);
  if (!has_entry || !inc_linear_uses(m, target)) {
    if (has_entry) dec_linear_entries(m, table);
    unsaid::linear_chain(m, table_level(type), m.mfn_of(table), m.mfn_of(target));
    return false;
  }
  const u64 x = target.type_info;
  if ((x & PGT_count_mask) == PGT_count_mask || (x & (PGT_type_mask | PGT_validated)) != (type | PGT_validated)) {
    dec_linear_uses(m, target);
    dec_linear_entries(m, table);
    unsaid::linear_not_validated(m, table_level(type), m.mfn_of(target));
    return false;
  }
  m.set_type_info(target, x + 1);
  return true;
}

}  // namespace

bool get_linear_pagetable(machine& m, unsigned level, pte_t e, mfn_t table_mfn, const domain& d) {
  if (e & PAGE_RW) {
    messages::linear_with_write_perms(m, level);
    return false;
  }
  const mfn_t mfn = pte_mfn(e);
  if (mfn == table_mfn) return true;
  page_info& table = m.page(table_mfn);
  if (table.owner != d.owner()) {
    unsaid::linear_of_other_owner(m, table_mfn);
    return false;
  }
  page_info* const target = get_page_from_mfn(m, mfn, d);
  if (!target) return false;
  if (link_linear(m, table, *target, table_type(level))) return true;
  put_page(m, *target);
  return false;
}

void dec_linear_entries(machine& m, page_info& table) {
  assert(table.linear_pt_count() > 0);
  m.set_linear_pt_count(table, static_cast<s16>(table.linear_pt_count() - 1));
}

void dec_linear_uses(machine& m, page_info& table) {
  assert(table.linear_pt_count() < 0);
  m.set_linear_pt_count(table, static_cast<s16>(table.linear_pt_count() + 1));
}

}  // namespace pvmmu::xen
