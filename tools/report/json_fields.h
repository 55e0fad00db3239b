#pragma once
// Fields of a JSON object that must be there and have the right type. Each throws std::invalid_argument that names the
// field and what was expected.

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "proto/abi/types.h"

namespace pvmmu::tools {

/// The field's value of whatever type.
const boost::json::value& json_field(const boost::json::object& object, std::string_view name);
const boost::json::array& json_array(const boost::json::object& object, std::string_view name);
std::string_view json_text(const boost::json::object& object, std::string_view name);
s64 json_integer(const boost::json::object& object, std::string_view name);
/// An integer of 0 to `max`.
u64 json_unsigned(const boost::json::object& object, std::string_view name, u64 max);
/// A string of 1 to 16 hexadecimal digits.
u64 json_hex(const boost::json::object& object, std::string_view name);

/// The same for a value that stands elsewhere; `name` says what it is.
u64 to_hex(const boost::json::value& value, std::string_view name);
u64 to_unsigned(const boost::json::value& value, std::string_view name, u64 max);

}  // namespace pvmmu::tools
