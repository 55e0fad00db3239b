#include "tests/tools/recordings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace pvmmu::tools {

std::string recording_path(const std::string& name) {
  return std::string(PVMMU_SOURCE_DIR) + "/tests/data/" + name + ".rec";
}

std::string read_bytes(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(bytes).str();
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<recording::record> read_records(const std::string& path) {
  auto reader = recording_reader::open(path);
  if (!reader) throw std::runtime_error(reader.error());
  std::vector<recording::record> records(1);
  *records.front().mutable_header() = reader->header();
  for (;;) {
    auto record = reader->next();
    if (!record) throw std::runtime_error(record.error());
    if (!*record && reader->torn()) throw std::runtime_error(*reader->torn());
    if (!*record) return records;
    records.push_back(std::move(**record));
  }
}

void write_records(const std::string& path, const std::vector<recording::record>& records) {
  auto writer = recording_writer::create(path);
  if (!writer) throw std::runtime_error(writer.error());
  for (recording::record record : records) {
    // What was read in format 1 is written in the newer one.
    if (record.header().format_version() == 1) record.mutable_header()->set_format_version(recording_format_version);
    writer->add(record);
  }
  if (const auto bytes = writer->finish(); !bytes) throw std::runtime_error(bytes.error());
}

std::expected<std::string, std::string> read_through(const std::string& path) {
  auto reader = recording_reader::open(path);
  if (!reader) return std::unexpected(reader.error());
  std::string text = reader->header().ShortDebugString();
  for (;;) {
    const auto record = reader->next();
    if (!record) return std::unexpected(record.error());
    if (!*record && reader->torn()) return std::unexpected(fmt::format("{} is torn: {}", path, *reader->torn()));
    if (!*record) return text;
    text += (*record)->ShortDebugString();
  }
}

}  // namespace pvmmu::tools
