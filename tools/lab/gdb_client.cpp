#include "tools/lab/gdb_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <utility>

#include "tools/lab/hex.h"

namespace pvmmu::lab {
namespace {

/// The stub's own word for a failure is a number that says nothing to a person.
bool is_error(std::string_view reply) { return reply.size() == 3 && reply[0] == 'E'; }

/// "T05thread:01;…" or "S05". Nothing if it is no stop.
std::optional<gdb_stop> stop_in(std::string_view reply) {
  if (reply.size() < 3 || (reply[0] != 'T' && reply[0] != 'S')) return std::nullopt;
  const auto signal = bytes_of_hex(reply.substr(1, 2));
  if (!signal) return std::nullopt;
  gdb_stop stop{.signal = signal->front(), .thread = {}};
  constexpr std::string_view label = "thread:";
  if (const auto at = reply.find(label); at != std::string_view::npos) {
    const std::string_view rest = reply.substr(at + label.size());
    stop.thread = rest.substr(0, rest.find(';'));
  }
  return stop;
}

/// What "name=value" of a list with semicolons says; nothing if it is not there.
std::optional<std::string_view> feature(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(';'));
    if (one.starts_with(name)) return one.substr(name.size());
    list.remove_prefix(std::min(list.size(), one.size() + 1));
  }
  return std::nullopt;
}

}  // namespace

gdb_client::gdb_client(unique_fd socket, std::chrono::milliseconds patience)
    : link_(std::move(socket)), patience_(patience) {
  const std::string features = request("qSupported:vContSupported+");
  if (const auto size = feature(features, "PacketSize="))
    std::from_chars(size->data(), size->data() + size->size(), packet_bytes_, 16);
  if (packet_bytes_ < 64) throw lab_error(fmt::format("the gdb stub takes packets of {} bytes only", packet_bytes_));
  if (feature(features, "QStartNoAckMode+")) {
    expect_ok("QStartNoAckMode");
    link_.stop_acknowledging();
  }
  const auto stop = stop_in(request("?"));
  if (!stop) throw lab_error("the gdb stub does not stop the machine");
  thread_ = stop->thread;
  std::vector<std::string> descriptions{file_of_stub("target.xml")};
  constexpr std::string_view label = "<xi:include href=\"";
  const std::string target = descriptions.front();
  for (std::size_t at = target.find(label); at != std::string::npos; at = target.find(label, at + 1)) {
    const std::size_t begin = at + label.size();
    descriptions.push_back(file_of_stub(target.substr(begin, target.find('"', begin) - begin)));
  }
  layout_.emplace(descriptions);
}

const gdb_registers& gdb_client::registers() {
  if (!registers_) registers_.emplace(*layout_, request("g"));
  return *registers_;
}

void gdb_client::use(gdb_addresses addresses) {
  expect_ok(fmt::format("Qqemu.PhyMemMode:{}", addresses == gdb_addresses::physical_ones ? 1 : 0));
}

std::expected<void, std::string> gdb_client::read(u64 address, std::span<u8> to) {
  while (!to.empty()) {
    const std::span<u8> part = to.first(std::min<u64>(to.size(), packet_bytes_ / 2));
    const std::string reply = request(fmt::format("m{:x},{:x}", address, part.size()));
    const auto bytes = bytes_of_hex(reply);
    if (is_error(reply) || !bytes || bytes->size() != part.size())
      return std::unexpected(fmt::format("{} bytes at {:#x} cannot be read: the gdb stub says \"{}\"", part.size(),
                                         address, reply.substr(0, 80)));
    std::memcpy(part.data(), bytes->data(), part.size());
    to = to.subspan(part.size());
    address += part.size();
  }
  return {};
}

std::expected<void, std::string> gdb_client::write(u64 address, std::span<const u8> from) {
  constexpr u64 longest_head = 40;  // "M", two numbers, ',' and ':'
  while (!from.empty()) {
    const auto part = from.first(std::min<u64>(from.size(), (packet_bytes_ - longest_head) / 2));
    const std::string reply = request(fmt::format("M{:x},{:x}:{}", address, part.size(), hex_of(part)));
    if (reply != "OK")
      return std::unexpected(fmt::format("{} bytes at {:#x} cannot be written: the gdb stub says \"{}\"", part.size(),
                                         address, reply.substr(0, 80)));
    from = from.subspan(part.size());
    address += part.size();
  }
  return {};
}

void gdb_client::set_breakpoint(u64 va) {
  expect_ok(fmt::format("Z0,{:x},1", va));
  breakpoints_.insert(va);
}

void gdb_client::clear_breakpoint(u64 va) {
  expect_ok(fmt::format("z0,{:x},1", va));
  breakpoints_.erase(va);
}

void gdb_client::cont() {
  assert(!running_);
  if (!breakpoints_.empty()) leave_breakpoint();
  resume("c");
}

/// One step in some thousands ends before its instruction. Then the breakpoint would stop the same call once more.
void gdb_client::leave_breakpoint() {
  constexpr int steps_at_most = 100;
  const u64 rip = registers()["rip"];
  if (!breakpoints_.contains(rip)) return;
  for (int i = 0; i < steps_at_most; ++i) {
    step();
    if (registers()["rip"] != rip) return;
  }
  throw lab_error(fmt::format("the processor does not get on from the breakpoint at {:#x}", rip));
}

gdb_stop gdb_client::step() {
  assert(!running_);
  const u64 rip = registers()["rip"];
  const bool at_breakpoint = breakpoints_.contains(rip);
  if (at_breakpoint) expect_ok(fmt::format("z0,{:x},1", rip));
  // Not "s": then the other processors would run, and one may pass by the breakpoint that is not there.
  resume(thread_.empty() ? "s" : fmt::format("vCont;s:{}", thread_));
  const auto stop = wait(deadline{patience_});
  if (!stop) throw lab_error("the processor does not end a step");
  if (at_breakpoint) expect_ok(fmt::format("Z0,{:x},1", rip));
  return *stop;
}

void gdb_client::resume(std::string_view how) {
  link_.send(how);
  running_ = true;
  registers_.reset();
}

void gdb_client::interrupt() {
  assert(running_);
  link_.send_interrupt();
}

std::optional<gdb_stop> gdb_client::wait(const deadline& until) {
  assert(running_);
  while (const auto reply = link_.receive(until)) {
    if (reply->starts_with('O')) continue;  // what the machine prints for gdb's user
    const auto stop = stop_in(*reply);
    if (!stop) throw lab_error(fmt::format("the machine does not run on: the gdb stub says \"{}\"", *reply));
    running_ = false;
    thread_ = stop->thread;
    return stop;
  }
  return std::nullopt;
}

std::string gdb_client::request(std::string_view payload) {
  assert(!running_);
  link_.send(payload);
  auto reply = link_.receive(deadline{patience_});
  if (!reply)
    throw lab_error(fmt::format("the gdb stub does not answer to {} within {} ms", payload, patience_.count()));
  return std::move(*reply);
}

void gdb_client::expect_ok(std::string_view payload) {
  const std::string reply = request(payload);
  if (reply.empty()) throw lab_error(fmt::format("this gdb stub does not know {}", payload));
  if (reply != "OK") throw lab_error(fmt::format("the gdb stub answers to {}: {}", payload, reply.substr(0, 80)));
}

/// A file comes in parts: 'm' and a part, at the end 'l' and the last.
std::string gdb_client::file_of_stub(const std::string& name) {
  constexpr std::size_t longest = 1 << 20;
  std::string text;
  while (text.size() < longest) {
    const std::string part =
        request(fmt::format("qXfer:features:read:{}:{:x},{:x}", name, text.size(), packet_bytes_ / 2));
    if (part.empty() || (part[0] != 'm' && part[0] != 'l'))
      throw lab_error(fmt::format("the gdb stub has no {}: it says \"{}\"", name, part.substr(0, 80)));
    text += part.substr(1);
    if (part[0] == 'l') return text;
    if (part.size() == 1) break;
  }
  throw lab_error(fmt::format("the gdb stub's {} has no end", name));
}

}  // namespace pvmmu::lab
