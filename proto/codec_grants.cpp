#include "proto/codec_grants.h"

#include <algorithm>

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

void encode_list(const gnttab_set_version_t& op, wire::grant_table_op_call& message) {
  message.mutable_set_version()->set_version(op.version);
}

void encode_list(const gnttab_get_status_frames_t& op, wire::grant_table_op_call& message) {
  auto& out = *message.mutable_get_status_frames();
  out.set_nr_frames(op.nr_frames);
  if (op.dom != DOMID_SELF) out.set_dom(op.dom);
  out.mutable_frame_list()->Add(op.frame_list.begin(), op.frame_list.end());
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

void put_list(const gnttab_set_version_t& op, wire::call_outcome& message) {
  message.add_grants()->set_version(op.version);
}

void put_list(const gnttab_get_status_frames_t& op, wire::call_outcome& message) {
  auto& out = *message.add_grants();
  out.set_status(op.status);
  out.mutable_frame_list()->Add(op.frame_list.begin(), op.frame_list.end());
}

void apply_grant(const wire::grant_outcome& message, gnttab_map_grant_ref_t& op) {
  op.status = static_cast<s16>(message.status());
  op.handle = message.handle();
  op.dev_bus_addr = message.dev_bus_addr();
}

void apply_grant(const wire::grant_outcome& message, gnttab_unmap_grant_ref_t& op) {
  op.status = static_cast<s16>(message.status());
}

decode_result<void> check_number(const wire::call_outcome& message, std::size_t expected) {
  if (static_cast<std::size_t>(message.grants_size()) == expected) return {};
  return std::unexpected("results of " + std::to_string(message.grants_size()) + " grants, expected " +
                         std::to_string(expected));
}

template <class Grant>
decode_result<void> apply_to_list(const wire::call_outcome& message, std::span<Grant> list) {
  if (auto ok = check_number(message, list.size()); !ok) return ok;
  for (std::size_t i = 0; i < list.size(); ++i) apply_grant(message.grants(static_cast<int>(i)), list[i]);
  return {};
}

decode_result<void> apply_to_list(const wire::call_outcome& message, gnttab_set_version_t& op) {
  if (auto ok = check_number(message, 1); !ok) return ok;
  op.version = message.grants(0).version();
  return {};
}

decode_result<void> apply_to_list(const wire::call_outcome& message, gnttab_get_status_frames_t& op) {
  if (auto ok = check_number(message, 1); !ok) return ok;
  const wire::grant_outcome& outcome = message.grants(0);
  if (static_cast<std::size_t>(outcome.frame_list_size()) != op.frame_list.size())
    return std::unexpected(std::to_string(outcome.frame_list_size()) + " status frames, expected " +
                           std::to_string(op.frame_list.size()));
  op.status = static_cast<s16>(outcome.status());
  std::ranges::copy(outcome.frame_list(), op.frame_list.begin());
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
    return std::visit([&message](auto& list) { return apply_to_list(message, list); }, op->uop);
  return apply_to_list(message, std::span<gnttab_map_grant_ref_t>());
}

decode_result<void> check(const wire::grant_table_op_call& message) {
  if (gnttab_cmd_name(static_cast<gnttab_cmd>(message.cmd())).empty())
    return std::unexpected("grant_table_op: command " + std::to_string(message.cmd()) +
                           ", expected 0 (map_grant_ref), 1 (unmap_grant_ref), 8 (set_version) or 9 "
                           "(get_status_frames)");
  if ((message.cmd() != GNTTABOP_map_grant_ref && message.map_size() != 0) ||
      (message.cmd() != GNTTABOP_unmap_grant_ref && message.unmap_size() != 0) ||
      message.has_set_version() != (message.cmd() == GNTTABOP_set_version) ||
      message.has_get_status_frames() != (message.cmd() == GNTTABOP_get_status_frames))
    return std::unexpected("grant_table_op: entries of another command than " + std::to_string(message.cmd()));
  if (message.get_status_frames().has_dom()) {
    if (auto dom = decode_domid(message.get_status_frames().dom()); !dom)
      return std::unexpected("grant_table_op: " + dom.error());
  }
  for (const wire::gnttab_map_grant_ref_t& op : message.map()) {
    if (auto dom = decode_domid(op.dom()); !dom) return std::unexpected("grant_table_op: " + dom.error());
  }
  return {};
}

hypercall decoded_call::take(const wire::grant_table_op_call& message) {
  if (message.cmd() == GNTTABOP_map_grant_ref) {
    const std::size_t at = maps_.size();
    for (const wire::gnttab_map_grant_ref_t& op : message.map())
      maps_.push_back(
          {.host_addr = op.host_addr(), .flags = op.flags(), .ref = op.ref(), .dom = static_cast<domid_t>(op.dom())});
    return grant_table_op_call{.uop = std::span(maps_).subspan(at), .count = message.count()};
  }
  if (message.cmd() == GNTTABOP_set_version)
    return grant_table_op_call{.uop = gnttab_set_version_t{message.set_version().version()}, .count = message.count()};
  if (message.cmd() == GNTTABOP_get_status_frames) return take(message.get_status_frames(), message.count());
  const std::size_t at = unmaps_.size();
  for (const wire::gnttab_unmap_grant_ref_t& op : message.unmap())
    unmaps_.push_back({.host_addr = op.host_addr(), .dev_bus_addr = op.dev_bus_addr(), .handle = op.handle()});
  return grant_table_op_call{.uop = std::span(unmaps_).subspan(at), .count = message.count()};
}

hypercall decoded_call::take(const wire::gnttab_get_status_frames_t& message, u32 count) {
  const std::size_t at = frames_.size();
  frames_.insert(frames_.end(), message.frame_list().begin(), message.frame_list().end());
  const domid_t dom = message.has_dom() ? static_cast<domid_t>(message.dom()) : DOMID_SELF;
  return grant_table_op_call{
      .uop = gnttab_get_status_frames_t{message.nr_frames(), dom, 0, std::span(frames_).subspan(at)}, .count = count};
}

}  // namespace pvmmu
