#include "tools/why/account_text.h"

#include <algorithm>
#include <array>

#include "tools/report/act_text.h"

namespace pvmmu::tools {
namespace {

constexpr std::size_t widest_holder = 72;  // columns

struct row {
  std::string general{}, typed{}, holder{}, since{};
};

std::string addresses_text(const held_by& held) {
  std::string text;
  for (const xen::entry_address& a : held.addresses) {
    text += fmt::format("{}{:#x}", text.empty() ? ", at " : ", ", a.va);
    if (a.l4s > 1) text += fmt::format(" in {} L4s", a.l4s);
  }
  return text + (held.more_addresses ? ", …" : "");
}

row row_of(const held_by& held, const frame_account& account) {
  const xen::holder& h = held.holder;
  row r{.general = h.general ? "1" : "–", .typed = "–"};
  if (h.typed) r.typed = xen::same_type(h.type, account.record.type_info) ? "1" : "1 as " + type_text(h.type);
  r.holder = holder_text(h, account.owner) + addresses_text(held);
  r.since = origin_text(held.made);
  return r;
}

std::string number(u64 n) { return n == 0 ? "–" : fmt::format("{}", n); }

std::string off_text(s64 off, const std::string& what) {
  if (off == 0) return "";
  const auto n = static_cast<u64>(off < 0 ? -off : off);
  return fmt::format("; {} {}", count_text(n, what + " reference"),
                     off > 0 ? n == 1 ? "that nobody holds" : "that nobody hold" : "too few");
}

row sum_of(const frame_account& account) {
  const balance& b = account.sum;
  const u64 own = b.type_info >> 61;
  const u64 unseen = xen::same_type(b.share.type, b.type_info) ? b.share.typed : 0;
  row r{.general = number(b.seen.general + b.share.general), .typed = number(b.seen.typed.at(own) + unseen)};
  const bool held = b.seen.general + b.share.general != 0;
  r.holder = b.adds_up() ? fmt::format("{}, as the frame's record says", held ? "in all" : "nobody holds it")
                         : fmt::format("in all, but the frame's record says {} and {}{}{}", b.count, b.type_count,
                                       off_text(b.general_off(), "general"), off_text(b.typed_off(), "type"));
  if (b.foreign_types() != 0)
    r.holder += fmt::format("; {} to a type that it does not have", count_text(b.foreign_types(), "reference"));
  return r;
}

std::string type_column(u64 type_info) { return type_info >> 61 == 0 ? "typed" : "as " + type_text(type_info); }

std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string right(const std::string& text, std::size_t columns) {
  return std::string(columns - std::min(columns, width(text)), ' ') + text;
}

std::string left(const std::string& text, std::size_t columns) {
  return text + std::string(columns - std::min(columns, width(text)), ' ');
}

}  // namespace

std::string type_text(u64 type_info) {
  static constexpr std::array<const char*, 8> names{"no type",         "L1",     "L2",      "L3", "L4",
                                                    "descriptor page", "shared", "writable"};
  return names.at(type_info >> 61);
}

std::string holder_text(const xen::holder& h, const std::string& owner) {
  const std::string vcpu = fmt::format("d{}v{}", h.domid, h.vcpu);
  switch (h.kind) {
    case xen::holder_kind::allocation: return "its owner, " + owner;
    case xen::holder_kind::pin: return "the pin";
    case xen::holder_kind::partial: return "itself, as it is validated in part only";
    case xen::holder_kind::shared_by_xen: return "Xen, which shares it for good";
    case xen::holder_kind::table_entry:
      return fmt::format("{}L{} mfn {:#x}[{}] {}", h.linear ? "linear entry " : "", h.level, h.table.n, h.slot,
                         (h.entry & PAGE_RW) != 0 ? "writable" : "read-only");
    case xen::holder_kind::kernel_root: return vcpu + ", which runs its kernel on it";
    case xen::holder_kind::user_root: return vcpu + ", which runs user mode on it";
    case xen::holder_kind::gdt: return fmt::format("page {} of {}'s GDT", h.slot, vcpu);
    case xen::holder_kind::ldt: return fmt::format("page {} of {}'s LDT", h.slot, vcpu);
    case xen::holder_kind::old_guest_table: return vcpu + ", which is to drop it first thing next time";
    case xen::holder_kind::device_grant:
      return fmt::format("d{}'s device mapping {} of d{}'s grant {}", h.domid, h.handle, h.granter, h.slot);
    case xen::holder_kind::lost: return "Xen, which has lost track of it";
  }
  return "";
}

std::string record_text(const xen::page_info& record, const std::string& owner) {
  std::string text = fmt::format("{} of {}", type_text(record.type_info), owner);
  if (owner == "nobody") text = "nobody's, " + type_text(record.type_info);
  if (record.type_info & xen::PGT_pinned) text += ", pinned";
  if (record.type_info & xen::PGT_validated) text += ", validated";
  if (record.type_info & xen::PGT_partial) text += fmt::format(", validated up to slot {}", record.nr_validated_ptes());
  return text + fmt::format(", type count {}, count {}", record.type_count(), record.ref_count());
}

text_block account_text(const frame_account& account) {
  const std::string when = account.step == 0 ? "before the first step" : fmt::format("behind step {}", account.step);
  text_block lines{{line_role::heading, 0,
                    fmt::format("mfn {:#x} {}: {}", account.mfn.n, when, record_text(account.record, account.owner))}};
  std::vector<row> rows{{"general", type_column(account.record.type_info), "held by", "since"}};
  for (const held_by& held : account.holders) rows.push_back(row_of(held, account));
  const unseen_references& share = account.sum.share;
  if (share.general != 0 || share.typed != 0)
    rows.push_back(
        {number(share.general), number(share.typed), "Xen itself: no snapshot tells for what", "before the recording"});
  rows.push_back(sum_of(account));
  std::size_t general = 0, typed = 0, holder = 0;
  for (const row& r : rows) {
    general = std::max(general, width(r.general));
    typed = std::max(typed, width(r.typed));
    if (!r.since.empty()) holder = std::max(holder, std::min(width(r.holder), widest_holder));
  }
  for (const row& r : rows) {
    const line_role role = &r == &rows.front()     ? line_role::dim
                           : &r != &rows.back()    ? line_role::plain
                           : account.sum.adds_up() ? line_role::good
                                                   : line_role::bad;
    lines.push_back(
        {role, 2,
         fmt::format("{}  {}  {}{}{}", right(r.general, general), right(r.typed, typed),
                     r.since.empty() ? r.holder : left(r.holder, holder), r.since.empty() ? "" : "  ", r.since)});
  }
  return lines;
}

}  // namespace pvmmu::tools
