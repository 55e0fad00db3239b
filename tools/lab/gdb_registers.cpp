#include "tools/lab/gdb_registers.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <optional>

#include "tools/lab/hex.h"
#include "tools/lab/lab_error.h"

namespace pvmmu::lab {
namespace {

/// `name="…"` in an element.
std::optional<std::string> attribute(std::string_view element, std::string_view name) {
  const std::string label = fmt::format(" {}=\"", name);
  const std::size_t begin = element.find(label);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view rest = element.substr(begin + label.size());
  return std::string{rest.substr(0, rest.find('"'))};
}

std::optional<std::size_t> number(std::string_view element, std::string_view name) {
  const auto text = attribute(element, name);
  std::size_t value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{}) return std::nullopt;
  return value;
}

std::string without_comments(std::string text) {
  for (std::size_t at = 0; (at = text.find("<!--", at)) != std::string::npos;) {
    const std::size_t end = text.find("-->", at);
    text.erase(at, end == std::string::npos ? end : end + 3 - at);
  }
  return text;
}

struct named {
  std::string name;
  std::size_t bytes;
};

/// Adds a text's registers under their numbers; one without a number follows the one before it.
void add_registers(const std::string& text, std::size_t& next, std::map<std::size_t, named>& by_number) {
  constexpr std::string_view tag = "<reg ";
  for (std::size_t at = text.find(tag); at != std::string::npos; at = text.find(tag, at + 1)) {
    const std::string_view element = std::string_view{text}.substr(at, text.find('>', at) - at);
    const auto name = attribute(element, "name");
    const auto bits = number(element, "bitsize");
    if (!name || !bits) throw lab_error(fmt::format("the gdb stub describes a register as {}>", element));
    next = number(element, "regnum").value_or(next);
    by_number[next++] = {*name, *bits / 8};
  }
}

}  // namespace

gdb_register_layout::gdb_register_layout(const std::vector<std::string>& descriptions) {
  std::map<std::size_t, named> by_number;
  std::size_t next = 0;
  for (const std::string& text : descriptions) add_registers(without_comments(text), next, by_number);
  for (const auto& [_, one] : by_number) {
    places_.emplace(one.name, place{bytes_, one.bytes});
    bytes_ += one.bytes;
  }
  if (places_.empty()) throw lab_error("the gdb stub describes no registers");
}

gdb_register_layout::place gdb_register_layout::find(std::string_view name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) throw lab_error(fmt::format("the gdb stub knows no register {}", name));
  return found->second;
}

gdb_registers::gdb_registers(const gdb_register_layout& layout, std::string hex)
    : layout_(&layout), hex_(std::move(hex)) {
  if (hex_.size() != 2 * layout.bytes())
    throw lab_error(fmt::format("the gdb stub describes registers of {} bytes and sends {}: \"{}\"", layout.bytes(),
                                hex_.size() / 2, hex_.substr(0, 80)));
}

u64 gdb_registers::operator[](std::string_view name) const {
  const auto [offset, bytes] = layout_->find(name);
  if (bytes > sizeof(u64)) throw lab_error(fmt::format("{} has more than 64 bits", name));
  u64 value = 0;
  const std::string_view digits = std::string_view{hex_}.substr(2 * offset, 2 * bytes);
  const auto raw = bytes_of_hex(digits);
  if (!raw) throw lab_error(fmt::format("the gdb stub does not say what is in {}: \"{}\"", name, digits));
  std::memcpy(&value, raw->data(), bytes);
  return value;
}

}  // namespace pvmmu::lab
