#include "tools/scenario.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

namespace pvmmu::tools {

namespace pb = google::protobuf;
using info_tree = pb::TextFormat::ParseInfoTree;

namespace {

constexpr std::size_t largest_file = std::size_t{1} << 22;  // bytes
constexpr int deepest_nesting = 16;

/// Joins names for "expected one of": all of them, as a language reference on the spot.
template <class Range, class Name>
std::string join_names(int count, Range at, Name name) {
  std::string joined;
  for (int i = 0; i < count; ++i) joined += (i == 0 ? "" : ", ") + std::string(name(at(i)));
  return joined;
}

/// protobuf says which field it does not know; this adds those that there are.
std::string with_known_fields(const std::string& message) {
  constexpr std::string_view start = "Message type \"";
  constexpr std::string_view middle = "\" has no field named ";
  const std::size_t end = message.find(middle);
  if (!message.starts_with(start) || end == std::string::npos) return message;
  const std::string type = message.substr(start.size(), end - start.size());
  const pb::Descriptor* d = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  if (d == nullptr) return message;
  const std::string fields =
      join_names(d->field_count(), [&](int i) { return d->field(i); }, [](auto* f) { return f->name(); });
  return fmt::format("\"{}\" has no field {} expected {}", d->name(), message.substr(end + middle.size()),
                     fields.empty() ? "none: write {}" : "one of " + fields);
}

class first_error : public pb::io::ErrorCollector {
 public:
  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    if (!text.empty()) return;
    at = {{}, line + 1, column + 1};
    text = with_known_fields(message);
    std::replace(text.begin(), text.end(), '\n', ' ');
  }
  void AddWarning(int line, pb::io::ColumnNumber column, const std::string& message) override {
    AddError(line, column, message);
  }
  source_location at;
  std::string text;
};

source_location known(const pb::TextFormat::ParseLocation& at, const source_location& otherwise) {
  return at.line < 0 ? otherwise : source_location{otherwise.file, at.line + 1, at.column + 1};
}

}  // namespace

scenario_file scenario_file::read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw input_error(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  std::string text(largest_file + 1, '\0');
  errno = 0;
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.gcount() == 0 && errno != 0))  // e.g. a directory
    throw input_error(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse(path, text);
}

scenario_file scenario_file::parse(std::string name, const std::string& text) {
  if (text.size() > largest_file)
    throw input_error(fmt::format("{}: too large: a scenario has at most {} bytes", name, largest_file));
  scenario_file file;
  file.name_ = std::make_unique<const std::string>(std::move(name));
  file.content_ = std::make_unique<scenario::scenario>();
  auto tree = std::make_shared<info_tree>();
  file.tree_ = tree;

  first_error error;
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.WriteLocationsTo(tree.get());
  parser.SetRecursionLimit(deepest_nesting);
  pb::io::ArrayInputStream in(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&in, file.content_.get()) || !error.text.empty()) {
    error.at.file = *file.name_;
    throw input_error(fmt::format("{}: {}", error.at.text(), error.text));
  }
  file.index(*file.content_, tree.get(), {*file.name_, 1, 1});
  check_scenario(file);
  return file;
}

void scenario_file::index(const pb::Message& message, const void* tree, source_location at) {
  places_[&message] = {tree, at};
  const auto* info = static_cast<const info_tree*>(tree);
  std::vector<const pb::FieldDescriptor*> fields;
  const pb::Reflection& reflection = *message.GetReflection();
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const pb::Message& child = field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                                      : reflection.GetMessage(message, field);
      const int which = field->is_repeated() ? i : -1;
      const void* subtree = info ? info->GetTreeForNested(field, which) : nullptr;
      index(child, subtree, info ? known(info->GetLocation(field, which), at) : at);
    }
  }
}

source_location scenario_file::locate(const pb::Message& message, std::string_view field, int which) const {
  const auto& [tree, at] = places_.at(&message);
  const auto* descriptor = message.GetDescriptor()->FindFieldByName(std::string(field));
  if (descriptor == nullptr || tree == nullptr) return at;
  return known(static_cast<const info_tree*>(tree)->GetLocation(descriptor, descriptor->is_repeated() ? which : -1),
               at);
}

void scenario_file::fail(const pb::Message& message, std::string_view field, const std::string& text, int which) const {
  throw input_error(fmt::format("{}: {}", locate(message, field, which).text(), text));
}

}  // namespace pvmmu::tools
