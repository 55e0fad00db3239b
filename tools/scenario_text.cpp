#include "tools/scenario_text.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <vector>

#include "proto/abi/types.h"

namespace pvmmu::tools {

namespace pb = google::protobuf;

namespace {

constexpr std::size_t widest_line = 118;

std::string number(u64 n) { return n < 10 ? fmt::format("{}", n) : fmt::format("{:#x}", n); }

/// A value that is no message. Text in quotes is protobuf's to escape.
std::string scalar(const pb::Message& m, const pb::FieldDescriptor& f, int index) {
  const pb::Reflection& r = *m.GetReflection();
  const bool many = f.is_repeated();
  switch (f.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return number(many ? r.GetRepeatedUInt64(m, &f, index) : r.GetUInt64(m, &f));
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return number(many ? r.GetRepeatedUInt32(m, &f, index) : r.GetUInt32(m, &f));
    default: {
      std::string text;
      pb::TextFormat::PrintFieldValueToString(m, &f, many ? index : -1, &text);
      return text;
    }
  }
}

class layout {
 public:
  /// The fields of `m`, one after the other; in lines of their own where they do not fit in one.
  static std::string body(const pb::Message& m, std::size_t indent, std::size_t taken) {
    const std::vector<std::string> parts = fields(m, indent);
    if (parts.empty()) return "{}";
    std::string line = fmt::format("{{ {} }}", fmt::join(parts, " "));
    if (line.size() + taken <= widest_line && line.find('\n') == std::string::npos) return line;
    std::string text = "{\n";
    for (const auto& part : fields(m, indent + 2)) text += fmt::format("{:{}}{}\n", "", indent + 2, part);
    return text + fmt::format("{:{}}}}", "", indent);
  }

  static std::vector<std::string> fields(const pb::Message& m, std::size_t indent) {
    std::vector<const pb::FieldDescriptor*> set;
    m.GetReflection()->ListFields(m, &set);
    // What is expected comes after what is done.
    std::ranges::stable_partition(set, [](const auto* f) { return f->name() != "expect"; });
    std::vector<std::string> parts;
    for (const auto* f : set) {
      const int count = f->is_repeated() ? m.GetReflection()->FieldSize(m, f) : 1;
      if (f->is_repeated() && f->cpp_type() == pb::FieldDescriptor::CPPTYPE_ENUM) {
        parts.push_back(fmt::format("{}: [{}]", f->name(), fmt::join(scalars(m, *f, count), ", ")));
        continue;
      }
      for (int i = 0; i < count; ++i) parts.push_back(field(m, *f, i, indent));
    }
    return parts;
  }

 private:
  static std::vector<std::string> scalars(const pb::Message& m, const pb::FieldDescriptor& f, int count) {
    std::vector<std::string> texts;
    texts.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) texts.push_back(scalar(m, f, i));
    return texts;
  }

  static std::string field(const pb::Message& m, const pb::FieldDescriptor& f, int index, std::size_t indent) {
    if (f.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE)
      return fmt::format("{}: {}", f.name(), scalar(m, f, index));
    const pb::Reflection& r = *m.GetReflection();
    const pb::Message& child = f.is_repeated() ? r.GetRepeatedMessage(m, &f, index) : r.GetMessage(m, &f);
    return fmt::format("{} {}", f.name(), body(child, indent, indent + f.name().size() + 1));
  }
};

}  // namespace

std::string scenario_text(const scenario::scenario& s) {
  std::string text;
  for (const auto& part : layout::fields(s, 0)) text += part + "\n";
  return text;
}

}  // namespace pvmmu::tools
