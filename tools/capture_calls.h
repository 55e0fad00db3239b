#pragma once
// The calls of a capture: one JSON object a line, in order. Numbers in strings are hexadecimal.
//
//   {"e":"content","mfn":196858,"when":"start","pte":{"1":"8010000038609065",…}}     when: start, validate, end
//   {"e":"do_mmu_update","count":1,"fd":32752,"req":[["36678ed8","8000000034482105"]]}
//   {"e":"ret","of":"do_mmu_update","rc":0}
//
// Calls never nest, but for the entries of a multicall, which stand between it and its ret.
//
//   capture_calls calls("l61-fork.jsonl");
//   while (auto item = calls.next()) …          // start contents, then pieces, then end contents

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "tools/recording_codec.h"
#include "tools/xz_input.h"

namespace pvmmu::tools {

struct captured_table {
  enum class moment { start, end };
  moment when;
  mfn_t mfn;
  table_words words;
};

using capture_item = std::variant<captured_table, recording::piece>;

class capture_calls {
 public:
  /// Opens `path`, or `path`.xz. This and `next` throw `input_error` with file and line.
  explicit capture_calls(const std::string& path) : in_(path) {}

  /// The next table or finished piece; nothing behind the last. A file that ends within a call is an error.
  std::optional<capture_item> next();
  /// Throws an `input_error` with file and line in front.
  [[noreturn]] void fail(const std::string& text) const;

 private:
  struct open_call {
    std::string name;
    u64 line;
  };
  std::optional<capture_item> take(const boost::json::object& line);
  std::optional<capture_item> take_content(const boost::json::object& line);
  void take_call(const std::string& name, const boost::json::object& line);
  std::optional<capture_item> take_ret(const boost::json::object& line);
  wire::multicall_call* open_multicall();

  xz_input in_;
  u64 line_ = 0;
  recording::piece piece_;
  std::vector<open_call> open_;  ///< the call, and the entry where it is a multicall
};

}  // namespace pvmmu::tools
