#include "tools/recording_streams.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <fstream>
#include <optional>
#include <span>

#include "tools/recording_file.h"

namespace pvmmu::tools {
namespace {

using google::protobuf::internal::WireFormatLite;

/// What a chunk says of the pieces before it, if it begins a stream; its records are not looked at.
std::optional<u64> read_pieces_before(std::span<const u8> bytes) {
  google::protobuf::io::CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  while (const u32 tag = in.ReadTag()) {
    u64 pieces = 0;
    if (WireFormatLite::GetTagFieldNumber(tag) == recording::chunk::kPiecesBeforeFieldNumber)
      return in.ReadVarint64(&pieces) ? std::optional(pieces) : std::nullopt;
    if (!WireFormatLite::SkipField(&in, tag)) break;
  }
  return std::nullopt;
}

}  // namespace

std::vector<stream_begin> find_streams(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(recording_magic.size()));
  frame_reader frames(max_chunk_bytes);
  std::vector<stream_begin> found;
  u64 byte = recording_magic.size();
  for (;;) {
    const auto frame = frames.next();
    if (!frame) return found;
    if (!*frame) {
      const auto room = frames.prepare();
      in.read(reinterpret_cast<char*>(room.data()), static_cast<std::streamsize>(room.size()));
      frames.commit(static_cast<std::size_t>(in.gcount()));
      if (in.gcount() == 0) return found;
      continue;
    }
    const auto pieces_before = read_pieces_before(**frame);
    if (pieces_before || byte == recording_magic.size()) found.push_back({byte, pieces_before.value_or(0)});
    byte += frame_header_bytes + (*frame)->size();
  }
}

}  // namespace pvmmu::tools
