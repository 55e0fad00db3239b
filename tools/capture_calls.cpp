#include "tools/capture_calls.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <charconv>
#include <stdexcept>

#include "proto/abi/hypercall.h"
#include "tools/command.h"
#include "tools/report/json_fields.h"

namespace pvmmu::tools {
namespace {

namespace json = boost::json;

constexpr u64 max_u32 = ~u32{0};
constexpr u64 max_mfn = PTE_ADDR_MASK >> PAGE_SHIFT;

/// A list of the capture is whole, so what it claims is what it has; and NULL is what Xen passes to a continuation that
/// has nothing left to do (xen 4.17 mm.c:4289).
bool is_null_list(u32 count, const json::array& list) { return count == MMU_UPDATE_PREEMPTED && list.empty(); }

/// The elements of `list` as tuples of `width` values.
const json::array& tuple(const json::value& element, std::string_view name, std::size_t width) {
  const json::array* values = element.if_array();
  if (!values || values->size() != width)
    throw std::invalid_argument(fmt::format("\"{}\" is expected to hold lists of {} values", name, width));
  return *values;
}

/// What mmu_update and mmuext_op have in common.
template <class Call>
void take_counts(const json::object& line, const json::array& list, Call& call) {
  call.set_count(static_cast<u32>(json_unsigned(line, "count", max_u32)));
  call.set_foreigndom(static_cast<u32>(json_unsigned(line, "fd", max_u32)));
  call.set_null_list(is_null_list(call.count(), list));
}

void take_mmu_update(const json::object& line, wire::mmu_update_call& call) {
  const json::array& list = json_array(line, "req");
  take_counts(line, list, call);
  for (const json::value& element : list) {
    const json::array& values = tuple(element, "req", 2);
    wire::mmu_update_t& req = *call.add_ureqs();
    req.set_ptr(to_hex(values[0], "req"));
    req.set_val(to_hex(values[1], "req"));
  }
}

void take_mmuext_op(const json::object& line, wire::mmuext_op_call& call) {
  const json::array& list = json_array(line, "op");
  take_counts(line, list, call);
  for (const json::value& element : list) {
    const json::array& values = tuple(element, "op", 3);
    wire::mmuext_op_t& op = *call.add_uops();
    op.set_cmd(static_cast<u32>(to_unsigned(values[0], "op", max_u32)));
    op.set_arg1(to_hex(values[1], "op"));
    op.set_arg2(to_hex(values[2], "op"));
    // A capture does not say which vCPUs a mask names. The answer depends on its being readable only.
    if (op.cmd() == MMUEXT_TLB_FLUSH_MULTI || op.cmd() == MMUEXT_INVLPG_MULTI) op.set_vcpumask(0);
  }
}

void take_update_va_mapping(const json::object& line, wire::update_va_mapping_call& call) {
  call.set_va(json_hex(line, "va"));
  call.set_val(json_hex(line, "val"));
  call.set_flags(json_hex(line, "flags"));
  if ((call.flags() & ~(UVMF_FLUSHTYPE_MASK | UVMF_ALL)) != 0) call.set_vcpumask(0);
}

void take_write(const json::object& line, recording::emulated_write& write) {
  write.set_va(json_hex(line, "va"));
  write.set_maddr(json_hex(line, "maddr"));
  write.set_bytes(static_cast<u32>(json_unsigned(line, "bytes", 8)));
  write.set_value(json_hex(line, "val"));
  if (!json_field(line, "old").is_null()) write.set_expected(json_hex(line, "old"));
}

/// The calls that are recorded by what they ask.
void take_hypercall(std::string_view name, const json::object& line, wire::hypercall& call) {
  if (name == "do_mmu_update") return take_mmu_update(line, *call.mutable_mmu_update());
  if (name == "do_mmuext_op") return take_mmuext_op(line, *call.mutable_mmuext_op());
  if (name == "do_update_va_mapping") return take_update_va_mapping(line, *call.mutable_update_va_mapping());
  throw std::invalid_argument(
      fmt::format("a call \"{}\": do_mmu_update, do_mmuext_op, do_update_va_mapping, do_multicall or "
                  "ptwr_emulated_update are expected; of others a capture does not hold what they ask",
                  name));
}

table_words take_words(const json::object& line) {
  const json::object* entries = json_field(line, "pte").if_object();
  if (!entries) throw std::invalid_argument("\"pte\" is expected to be an object of slots and entries");
  table_words words{};
  for (const auto& [key, entry] : *entries) {
    unsigned slot = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), slot);
    if (error != std::errc{} || end != key.data() + key.size() || slot >= entries_per_table)
      throw std::invalid_argument(
          fmt::format("slot \"{}\": 0 to {} are expected", std::string_view(key), entries_per_table - 1));
    words[slot] = to_hex(entry, "pte");
  }
  return words;
}

}  // namespace

void capture_calls::fail(const std::string& text) const {
  throw input_error(fmt::format("{}:{}: {}", in_.path(), line_, text));
}

std::optional<capture_item> capture_calls::next() {
  std::string text;
  while (in_.read_line(text)) {
    ++line_;
    json::error_code error;
    const json::value value = json::parse(text, error);
    if (error) fail("no JSON: " + error.message());
    if (!value.is_object()) fail("a JSON object is expected");
    try {
      if (auto item = take(value.get_object())) return item;
    } catch (const std::invalid_argument& e) {
      fail(e.what());
    }
  }
  if (!open_.empty()) fail(fmt::format("the file ends within the {} of line {}", open_.back().name, open_.back().line));
  return std::nullopt;
}

std::optional<capture_item> capture_calls::take(const json::object& line) {
  const std::string name(json_text(line, "e"));
  if (name == "content") return take_content(line);
  if (name == "ret") return take_ret(line);
  take_call(name, line);
  return std::nullopt;
}

wire::multicall_call* capture_calls::open_multicall() {
  return open_.empty() || !piece_.call().has_multicall() ? nullptr : piece_.mutable_call()->mutable_multicall();
}

std::optional<capture_item> capture_calls::take_content(const json::object& line) {
  const mfn_t mfn{json_unsigned(line, "mfn", max_mfn)};
  const std::string_view when = json_text(line, "when");
  const table_words words = take_words(line);
  if (when == "validate") {
    recording::content& content = *piece_.add_contents();
    *content.mutable_table() = encode_table(mfn, words);
    if (const auto* multicall = open_multicall())
      content.set_before_entry(static_cast<u32>(multicall->call_list_size()));
    return std::nullopt;
  }
  if (when != "start" && when != "end")
    throw std::invalid_argument("\"when\" is expected to be start, validate or end");
  if (!open_.empty()) throw std::invalid_argument(fmt::format("contents of the {} within a call", when));
  return captured_table{when == "start" ? captured_table::moment::start : captured_table::moment::end, mfn, words};
}

void capture_calls::take_call(const std::string& name, const json::object& line) {
  wire::multicall_call* multicall = open_multicall();
  if (open_.size() > (multicall ? 1u : 0u))
    throw std::invalid_argument(fmt::format("a call within the {} of line {}: its ret is expected first",
                                            open_.back().name, open_.back().line));
  if (multicall) {
    take_hypercall(name, line, *multicall->add_call_list());
  } else if (name == "do_multicall") {
    piece_.mutable_call()->mutable_multicall()->set_nr_calls(static_cast<u32>(json_unsigned(line, "nr", max_u32)));
  } else if (name == "ptwr_emulated_update") {
    take_write(line, *piece_.mutable_write());
  } else {
    take_hypercall(name, line, *piece_.mutable_call());
  }
  open_.push_back({name, line_});
}

std::optional<capture_item> capture_calls::take_ret(const json::object& line) {
  const std::string_view of = json_text(line, "of");
  if (open_.empty()) throw std::invalid_argument(fmt::format("the ret of a {} that did not begin", of));
  if (open_.back().name != of) {
    throw std::invalid_argument(
        fmt::format("the ret of a {} within the {} of line {}", of, open_.back().name, open_.back().line));
  }
  const s64 result = json_integer(line, "rc");
  open_.pop_back();
  if (!open_.empty()) {
    piece_.mutable_outcome()->add_entries()->set_result(result);
    return std::nullopt;
  }
  piece_.mutable_outcome()->set_result(result);
  return std::exchange(piece_, {});
}

}  // namespace pvmmu::tools
