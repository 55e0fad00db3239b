#include "tools/report/json_fields.h"

#include <fmt/format.h>

#include <boost/json/src.hpp>  // Boost.JSON without its library; this is the one file that may include it
#include <charconv>
#include <stdexcept>

namespace pvmmu::tools {

namespace json = boost::json;

namespace {

[[noreturn]] void expected(std::string_view name, std::string_view what) {
  throw std::invalid_argument(fmt::format("\"{}\" is expected to be {}", name, what));
}

}  // namespace

const json::value& json_field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (!value) throw std::invalid_argument(fmt::format("a field \"{}\" is expected", name));
  return *value;
}

const json::array& json_array(const json::object& object, std::string_view name) {
  const json::array* array = json_field(object, name).if_array();
  if (!array) expected(name, "a list");
  return *array;
}

std::string_view json_text(const json::object& object, std::string_view name) {
  const json::string* text = json_field(object, name).if_string();
  if (!text) expected(name, "a string");
  return *text;
}

s64 json_integer(const json::object& object, std::string_view name) {
  const json::value& value = json_field(object, name);
  if (!value.is_int64()) expected(name, "an integer of 64 bits");
  return value.get_int64();
}

u64 json_unsigned(const json::object& object, std::string_view name, u64 max) {
  return to_unsigned(json_field(object, name), name, max);
}

u64 json_hex(const json::object& object, std::string_view name) { return to_hex(json_field(object, name), name); }

u64 to_hex(const json::value& value, std::string_view name) {
  constexpr std::string_view what = "a string of 1 to 16 hexadecimal digits";
  const json::string* text = value.if_string();
  if (!text || text->empty() || text->size() > 16) expected(name, what);
  u64 number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number, 16);
  if (error != std::errc{} || end != text->data() + text->size()) expected(name, what);
  return number;
}

u64 to_unsigned(const json::value& value, std::string_view name, u64 max) {
  u64 number = max;
  if (value.is_int64() && value.get_int64() >= 0) {
    number = static_cast<u64>(value.get_int64());
  } else if (value.is_uint64()) {
    number = value.get_uint64();
  } else {
    expected(name, fmt::format("an integer of 0 to {}", max));
  }
  if (number > max) expected(name, fmt::format("an integer of 0 to {}", max));
  return number;
}

}  // namespace pvmmu::tools
