#include "proto/codec_grants.h"

namespace pvmmu {
namespace {

void encode_list(std::span<const gnttab_map_grant_ref_t> list, wire::grant_table_op_call& message) {
  for (const gnttab_map_grant_ref_t& op : list) {
    auto& out = *message.add_map();
    out.set_host_addr(op.host_addr);
    out.set_flags(op.flags);
    out.set_ref(op.ref);
    out.set_dom(op.dom);
  }
}

void encode_list(std::span<const gnttab_unmap_grant_ref_t> list, wire::grant_table_op_call& message) {
  for (const gnttab_unmap_grant_ref_t& op : list) {
    auto& out = *message.add_unmap();
    out.set_host_addr(op.host_addr);
    out.set_dev_bus_addr(op.dev_bus_addr);
    out.set_handle(op.handle);
  }
}

void put_list(std::span<const gnttab_map_grant_ref_t> list, wire::call_outcome& message) {
  for (const gnttab_map_grant_ref_t& op : list) {
    auto& out = *message.add_grants();
    out.set_status(op.status);
    out.set_handle(op.handle);
    out.set_dev_bus_addr(op.dev_bus_addr);
  }
}

void put_list(std::span<const gnttab_unmap_grant_ref_t> list, wire::call_outcome& message) {
  for (const gnttab_unmap_grant_ref_t& op : list) message.add_grants()->set_status(op.status);
}

void apply_grant(const wire::grant_outcome& message, gnttab_map_grant_ref_t& op) {
  op.status = static_cast<s16>(message.status());
  op.handle = message.handle();
  op.dev_bus_addr = message.dev_bus_addr();
}

void apply_grant(const wire::grant_outcome& message, gnttab_unmap_grant_ref_t& op) {
  op.status = static_cast<s16>(message.status());
}

template <class Grant>
decode_result<void> apply_to_list(const wire::call_outcome& message, std::span<Grant> list) {
  if (static_cast<std::size_t>(message.grants_size()) != list.size())
    return std::unexpected("results of " + std::to_string(message.grants_size()) + " grants, expected " +
                           std::to_string(list.size()));
  for (std::size_t i = 0; i < list.size(); ++i) apply_grant(message.grants(static_cast<int>(i)), list[i]);
  return {};
}

}  // namespace

void encode(const grant_table_op_call& call, wire::grant_table_op_call& message) {
  message.set_cmd(call.cmd());
  message.set_count(call.count);
  std::visit([&message](const auto& list) { encode_list(list, message); }, call.uop);
}

void put_grants(const grant_table_op_call& call, wire::call_outcome& message) {
  std::visit([&message](const auto& list) { put_list(list, message); }, call.uop);
}

decode_result<void> apply_grants(const wire::call_outcome& message, hypercall& call) {
  if (auto* op = std::get_if<grant_table_op_call>(&call))
    return std::visit([&message](const auto& list) { return apply_to_list(message, list); }, op->uop);
  return apply_to_list(message, std::span<gnttab_map_grant_ref_t>());
}

decode_result<void> check(const wire::grant_table_op_call& message) {
  if (message.cmd() > GNTTABOP_unmap_grant_ref)
    return std::unexpected("grant_table_op: command " + std::to_string(message.cmd()) +
                           ", expected 0 (map_grant_ref) or 1 (unmap_grant_ref)");
  if (message.cmd() == GNTTABOP_map_grant_ref ? message.unmap_size() != 0 : message.map_size() != 0)
    return std::unexpected("grant_table_op: entries of another command than " + std::to_string(message.cmd()));
  for (const wire::gnttab_map_grant_ref_t& op : message.map()) {
    if (auto dom = decode_domid(op.dom()); !dom) return std::unexpected("grant_table_op: " + dom.error());
  }
  return {};
}

}  // namespace pvmmu
