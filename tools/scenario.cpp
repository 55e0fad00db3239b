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

/// The values of every enum field of that name in `d` and the messages within it.
void collect_values(const pb::Descriptor& d, const std::string& field, std::vector<std::string>& values) {
  for (int i = 0; i < d.nested_type_count(); ++i) collect_values(*d.nested_type(i), field, values);
  const pb::FieldDescriptor* f = d.FindFieldByName(field);
  if (f == nullptr || f->enum_type() == nullptr) return;
  for (int i = 0; i < f->enum_type()->value_count(); ++i) values.push_back(f->enum_type()->value(i)->name());
}

/// What stands between the quotes after `start`.
std::string quoted_after(const std::string& message, std::string_view start) {
  const std::size_t at = message.find(start);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + start.size();
  return message.substr(begin, message.find('"', begin) - begin);
}

/// protobuf says which field or value it does not know; this adds those that there are.
std::string with_known_names(const std::string& message) {
  const pb::FileDescriptor& language = *scenario::scenario::descriptor()->file();
  std::vector<std::string> known;
  if (const std::string field = quoted_after(message, "Unknown enumeration value of \""); !field.empty()) {
    for (int i = 0; i < language.message_type_count(); ++i)
      collect_values(*language.message_type(i), quoted_after(message, "for field \""), known);
    return fmt::format("{} expected one of {}", message, fmt::join(known, ", "));
  }
  const auto* d = language.pool()->FindMessageTypeByName(quoted_after(message, "Message type \""));
  const std::string field = quoted_after(message, "has no field named \"");
  if (d == nullptr || field.empty()) return message;
  for (int i = 0; i < d->field_count(); ++i) known.push_back(d->field(i)->name());
  return fmt::format("{} has no field \"{}\": expected {}", d->name(), field,
                     known.empty() ? "none: write {}" : fmt::format("one of {}", fmt::join(known, ", ")));
}

class first_error : public pb::io::ErrorCollector {
 public:
  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    if (!text.empty()) return;
    at = {{}, line + 1, column + 1};
    text = with_known_names(message);
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
