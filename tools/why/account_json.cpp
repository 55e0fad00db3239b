#include <boost/json/array.hpp>

#include "tools/why/account_text.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

json::string hex(u64 n) { return json::string(fmt::format("{:#x}", n)); }

std::string_view kind_name(xen::holder_kind kind) {
  switch (kind) {
    case xen::holder_kind::allocation: return "allocation";
    case xen::holder_kind::pin: return "pin";
    case xen::holder_kind::partial: return "partial";
    case xen::holder_kind::shared_by_xen: return "shared_by_xen";
    case xen::holder_kind::table_entry: return "table_entry";
    case xen::holder_kind::kernel_root: return "kernel_root";
    case xen::holder_kind::user_root: return "user_root";
    case xen::holder_kind::gdt: return "gdt";
    case xen::holder_kind::ldt: return "ldt";
    case xen::holder_kind::old_guest_table: return "old_guest_table";
    case xen::holder_kind::device_grant: return "device_grant";
    case xen::holder_kind::lost: return "lost";
  }
  return "";
}

json::value json_of(const origin& o) {
  if (o.step == 0) return nullptr;
  return json::object{{"step", o.step}, {"caller", o.caller}, {"call", o.call}, {"with_its_table", o.validated}};
}

void add_entry(json::object& o, const held_by& held) {
  const xen::holder& h = held.holder;
  o["table"] = hex(h.table.n);
  o["level"] = h.level;
  o["slot"] = h.slot;
  o["entry"] = hex(h.entry);
  o["linear"] = h.linear;
  json::array addresses;
  for (const xen::entry_address& a : held.addresses)
    addresses.push_back(json::object{{"va", hex(a.va)}, {"l4", hex(a.l4.n)}, {"l4s", a.l4s}});
  o["addresses"] = std::move(addresses);
  o["more_addresses"] = held.more_addresses;
}

json::object json_of(const held_by& held) {
  const xen::holder& h = held.holder;
  json::object o{{"kind", kind_name(h.kind)}, {"general", h.general ? 1 : 0}};
  o["type"] = h.typed ? json::value(type_text(h.type)) : json::value(nullptr);
  switch (h.kind) {
    case xen::holder_kind::table_entry: add_entry(o, held); break;
    case xen::holder_kind::gdt:
    case xen::holder_kind::ldt: o["page"] = h.slot; [[fallthrough]];
    case xen::holder_kind::kernel_root:
    case xen::holder_kind::user_root:
    case xen::holder_kind::old_guest_table:
      o["domid"] = h.domid;
      o["vcpu"] = h.vcpu;
      break;
    case xen::holder_kind::device_grant:
      o["domid"] = h.domid;
      o["handle"] = h.handle;
      o["granter"] = h.granter;
      o["ref"] = h.slot;
      break;
    default: break;
  }
  o["since"] = json_of(held.made);
  return o;
}

}  // namespace

json::object account_json(const frame_account& account) {
  const xen::page_info& pg = account.record;
  const balance& b = account.sum;
  json::array holders;
  for (const held_by& held : account.holders) holders.push_back(json_of(held));
  return {{"mfn", hex(account.mfn.n)},
          {"step", account.step},
          {"owner", account.owner},
          {"type", type_text(pg.type_info)},
          {"type_count", b.type_count},
          {"count", b.count},
          {"pinned", (pg.type_info & xen::PGT_pinned) != 0},
          {"validated", (pg.type_info & xen::PGT_validated) != 0},
          {"partial", (pg.type_info & xen::PGT_partial) != 0},
          {"holders", std::move(holders)},
          {"xen_since_before", json::object{{"general", b.share.general}, {"type", b.share.typed}}},
          {"general_off", b.general_off()},
          {"type_off", b.typed_off()},
          {"adds_up", b.adds_up()}};
}

}  // namespace pvmmu::tools
