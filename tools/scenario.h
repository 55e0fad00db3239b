#pragma once
// A scenario file, read and checked, that still knows where each of its fields stands:
//
//   auto file = scenario_file::read("examples/pmd-move.textproto");
//   for (const auto& step : file.content().step()) …
//   fmt::print("{}", file.locate(step, "mremap").text());      // examples/pmd-move.textproto:31:5
//
// Whatever is wrong with the text or its meaning throws `input_error` with file, line, column and what was expected.
// The language itself is described in proto/scenario.proto.

#include <scenario.pb.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tools/command.h"

namespace google::protobuf {
class Message;
}

namespace pvmmu::tools {

/// A place in a file; lines and columns count from 1.
struct source_location {
  std::string_view file;
  int line = 1;
  int column = 1;
  std::string text() const { return fmt::format("{}:{}:{}", file, line, column); }
};

class scenario_file {
 public:
  static scenario_file read(const std::string& path);
  /// `name` stands for the file in messages.
  static scenario_file parse(std::string name, const std::string& text);

  const std::string& name() const { return *name_; }
  const scenario::scenario& content() const { return *content_; }

  /// Where the field `field` of `message` stands (of a repeated field: its value `index`), or the message itself where
  /// the field is absent. `message` must be part of `content()`.
  source_location locate(const google::protobuf::Message& message, std::string_view field = {}, int index = 0) const;

  /// Throws an `input_error` that starts with the place of the field.
  [[noreturn]] void fail(const google::protobuf::Message& message, std::string_view field, const std::string& text,
                         int index = 0) const;

 private:
  scenario_file() = default;
  void index(const google::protobuf::Message& message, const void* tree, source_location at);

  struct place {
    const void* tree;  ///< google::protobuf::TextFormat::ParseInfoTree
    source_location at;
  };
  std::unique_ptr<const std::string> name_;  // on the heap: locations refer to it
  std::unique_ptr<scenario::scenario> content_;
  std::shared_ptr<void> tree_;
  std::unordered_map<const google::protobuf::Message*, place> places_;
};

/// Checks what the grammar cannot say: ranges, names, what belongs together. Called by `scenario_file::parse`.
void check_scenario(const scenario_file& file);

}  // namespace pvmmu::tools
