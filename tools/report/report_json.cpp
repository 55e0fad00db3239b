#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "tools/report/act_text.h"
#include "tools/report/report.h"
#include "tools/report/tally.h"

namespace pvmmu::tools {

namespace json = boost::json;

namespace {

json::string hex(u64 n) { return json::string(fmt::format("{:#x}", n)); }

std::string_view kind_name(event_kind kind) {
  switch (kind) {
    case event_kind::call_begin: return "call_begin";
    case event_kind::call_end: return "call_end";
    case event_kind::entry: return "entry";
    case event_kind::count_info: return "count_info";
    case event_kind::type_info: return "type_info";
    case event_kind::linear_count: return "linear_count";
    case event_kind::pte: return "pte";
    case event_kind::m2p: return "m2p";
    case event_kind::validated: return "validated";
    case event_kind::devalidated: return "devalidated";
    case event_kind::flush: return "flush";
    case event_kind::cr3: return "cr3";
    case event_kind::cr3_user: return "cr3_user";
    case event_kind::continuation: return "continuation";
    case event_kind::emulated: return "emulated";
    case event_kind::guest_fault: return "guest_fault";
    case event_kind::crash: return "crash";
    case event_kind::message: return "message";
  }
  return "";
}

json::object json_of(const owned_event& e) {
  json::object o{{"event", kind_name(e.kind)}};
  if (e.kind == event_kind::message) {
    o["text"] = e.text;
    return o;
  }
  o["slot"] = e.slot;
  o["mfn"] = hex(e.mfn.n);
  o["old"] = hex(e.old);
  o["value"] = hex(e.value);
  return o;
}

json::value done_of(const done_arg& done) {
  if (!done.written) return nullptr;
  return done.value;
}

json::object json_of(const hypercall& call);

json::array json_of(std::span<const mmu_update_t> updates) {
  json::array list;
  for (const auto& u : updates) list.push_back({{"ptr", hex(u.ptr)}, {"val", hex(u.val)}});
  return list;
}

json::array json_of(std::span<const mmuext_op_t> ops) {
  json::array list;
  for (const auto& op : ops) {
    json::object o{{"cmd", op.cmd}, {"name", mmuext_cmd_name(op.cmd)}, {"arg1", hex(op.arg1)}, {"arg2", hex(op.arg2)}};
    if (op.vcpumask) o["vcpumask"] = hex(*op.vcpumask);
    list.push_back(std::move(o));
  }
  return list;
}

json::array json_of(std::span<const gnttab_map_grant_ref_t> ops) {
  json::array list;
  for (const auto& op : ops)
    list.push_back({{"host_addr", hex(op.host_addr)},
                    {"flags", op.flags},
                    {"ref", op.ref},
                    {"dom", op.dom},
                    {"status", op.status},
                    {"handle", op.handle},
                    {"dev_bus_addr", hex(op.dev_bus_addr)}});
  return list;
}

json::array json_of(std::span<const gnttab_unmap_grant_ref_t> ops) {
  json::array list;
  for (const auto& op : ops)
    list.push_back({{"host_addr", hex(op.host_addr)},
                    {"dev_bus_addr", hex(op.dev_bus_addr)},
                    {"handle", op.handle},
                    {"status", op.status}});
  return list;
}

template <class List>
json::array hex_list(const List& numbers) {
  json::array list;
  for (const u64 n : numbers) list.push_back(hex(n));
  return list;
}

json::array json_of(const gnttab_set_version_t& op) { return {json::object{{"version", op.version}}}; }

json::array json_of(const gnttab_get_status_frames_t& op) {
  return {json::object{
      {"nr_frames", op.nr_frames}, {"dom", op.dom}, {"status", op.status}, {"frame_list", hex_list(op.frame_list)}}};
}

json::object json_of(const xen_memory_reservation& r) {
  return {{"extents", hex_list(r.extent_start.entries)},
          {"nr_extents", r.nr_extents},
          {"extent_order", r.extent_order},
          {"mem_flags", hex(r.mem_flags)},
          {"domid", r.domid}};
}

struct arguments {
  json::object operator()(const mmu_update_call& c) const {
    return {{"requests", json_of(c.ureqs.entries)},
            {"count", c.count},
            {"done", done_of(c.pdone)},
            {"foreigndom", c.foreigndom}};
  }
  json::object operator()(const mmuext_op_call& c) const {
    return {
        {"ops", json_of(c.uops.entries)}, {"count", c.count}, {"done", done_of(c.pdone)}, {"foreigndom", c.foreigndom}};
  }
  json::object operator()(const update_va_mapping_call& c) const {
    return {{"va", hex(c.va)}, {"val", hex(c.val)}, {"flags", hex(c.flags)}};
  }
  json::object operator()(const update_va_mapping_otherdomain_call& c) const {
    json::object o = (*this)(c.update);
    o["domid"] = c.domid;
    return o;
  }
  json::object operator()(const multicall_call& c) const {
    json::array list;
    for (const auto& e : c.call_list) {
      json::object entry = json_of(e.call);
      entry["result"] = e.result;
      list.push_back(std::move(entry));
    }
    return {{"entries", std::move(list)}, {"nr_calls", c.nr_calls}};
  }
  json::object operator()(const set_gdt_call& c) const {
    return {{"frames", hex_list(c.frame_list.entries)}, {"entries", c.entries}};
  }
  json::object operator()(const update_descriptor_call& c) const {
    return {{"maddr", hex(c.maddr)}, {"desc", hex(c.desc)}};
  }
  json::object operator()(const vm_assist_call& c) const { return {{"cmd", c.cmd}, {"type", c.type}}; }
  json::object operator()(const grant_table_op_call& c) const {
    return {{"cmd", c.cmd()},
            {"ops", std::visit([](const auto& list) { return json_of(list); }, c.uop)},
            {"count", c.count}};
  }

  json::object operator()(const memory_op_call& c) const {
    json::object o{{"cmd", c.cmd}, {"name", memory_op_cmd_name(c.cmd)}};
    if (const auto* r = std::get_if<xen_memory_reservation>(&c.arg)) o["reservation"] = json_of(*r);
    if (const auto* e = std::get_if<xen_memory_exchange>(&c.arg)) {
      o["in"] = json_of(e->in);
      o["out"] = json_of(e->out);
      o["nr_exchanged"] = e->nr_exchanged;
    }
    if (const auto* list = std::get_if<xen_machphys_mfn_list>(&c.arg)) {
      o["max_extents"] = list->max_extents;
      o["extents"] = hex_list(list->extent_start.entries);
    }
    return o;
  }
  json::object operator()(const iret_call& c) const { return {{"rax", hex(c.rax)}}; }
  json::object operator()(const vcpu_op_call& c) const { return {{"cmd", c.cmd}, {"vcpuid", c.vcpuid}}; }
  json::object operator()(const unknown_call& c) const { return {{"op", hex(c.op)}}; }
};

json::object json_of(const hypercall& call) {
  json::object o{{"hypercall", hypercall_name(call)}};
  for (auto& [name, value] : std::visit(arguments{}, call)) o[name] = std::move(value);
  return o;
}

json::object json_of_access(const act& a) {
  static constexpr std::array kinds{"load", "store", "xchg", "cmpxchg", "load_selector"};
  json::object o{{"access", kinds.at(static_cast<std::size_t>(a.access.kind))},
                 {"mode", a.access.mode == cpu_mode::user ? "user" : "kernel"},
                 {"va", hex(a.access.va)},
                 {"bytes", a.access.bytes}};
  if (a.access.kind != access_kind::read) o["written"] = hex(a.access.value);
  if (a.outcome.fault)
    o["fault"] = json::object{{"vector", static_cast<u8>(a.outcome.vector)},
                              {"error_code", a.outcome.error_code},
                              {"cr2", hex(a.outcome.cr2)}};
  else if (a.access.kind != access_kind::write)
    o["value"] = hex(a.outcome.value);
  o["emulated"] = a.outcome.emulated;
  return o;
}

json::object json_of(const act& a) {
  json::object o = a.is_call() ? json_of(a.call->call()) : json_of_access(a);
  if (a.is_call() && !a.crashed) o["result"] = a.result;
  if (a.crashed) o["crashed"] = true;
  o["domain"] = a.domid;
  o["vcpu"] = a.vcpu;
  if (!a.caller.empty()) o["caller"] = a.caller;
  json::array events;
  for (const auto& e : a.events) events.push_back(json_of(e));
  o["events"] = std::move(events);
  return o;
}

json::object json_of(const step_log& s) {
  json::array acts, findings;
  for (const auto& entry : s.entries) {
    if (const act* a = std::get_if<act>(&entry))
      acts.push_back(json_of(*a));
    else if (const interlude* i = std::get_if<interlude>(&entry))
      acts.push_back(json::object{{"interlude", i->text}});
    else
      acts.push_back(
          {{"linux_message", std::get<linux_line>(entry).text}, {"domain", std::get<linux_line>(entry).domid}});
  }
  for (const finding& f : s.findings)
    findings.push_back({{"where", f.where}, {"what", f.what}, {"expected", f.expected}, {"got", f.got}});
  return {{"action", s.action},
          {"note", s.note},
          {"where", s.where},
          {"acts", std::move(acts)},
          {"findings", std::move(findings)}};
}

}  // namespace

json::value json_report(const act& a) { return json_of(a); }

json::value json_report(const journal& j) {
  json::array domains, steps;
  for (const auto& d : j.domains) {
    json::object items;
    for (const changed_item& i : d.items) items[i.name] = i.value;
    domains.push_back({{"domid", d.domid},
                       {"kind", d.kind == domain_kind::dom0 ? "dom0" : "domU"},
                       {"pages", d.pages},
                       {"vcpus", d.vcpus},
                       {"kernel", d.kernel},
                       {"items", std::move(items)},
                       {"nr_cpus", d.nr_cpus},
                       {"split_ptlocks", d.split_ptlocks}});
  }
  for (const auto& s : j.steps) steps.push_back(json_of(s));
  return {{"title", j.title},
          {"file", j.file},
          {"machine", {{"frames", j.machine.frames}, {"debug_build", j.machine.debug_build}, {"tlb", j.machine.tlb}}},
          {"domains", std::move(domains)},
          {"steps", std::move(steps)},
          {"findings", j.count_findings()}};
}

}  // namespace pvmmu::tools
