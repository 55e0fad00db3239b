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

/// What a chunk says of itself.
struct chunk_head {
  bool begins_stream = false;
  stream_begin stream{};
};

/// Its records are not looked at. Nothing: it is none.
std::optional<chunk_head> read_head(u64 byte, std::span<const u8> bytes) {
  google::protobuf::io::CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  chunk_head head{.stream = {.byte = byte}};
  while (const u32 tag = in.ReadTag()) {
    u64 value = 0;
    switch (WireFormatLite::GetTagFieldNumber(tag)) {
      case recording::chunk::kPiecesBeforeFieldNumber:
        if (!in.ReadVarint64(&head.stream.pieces_before)) return std::nullopt;
        head.begins_stream = true;
        break;
      case recording::chunk::kBeginsWithImageFieldNumber:
        if (!in.ReadVarint64(&value)) return std::nullopt;
        head.stream.has_image = value != 0;
        break;
      case recording::chunk::kHasNamesFieldNumber:
        if (!in.ReadVarint64(&value)) return std::nullopt;
        head.stream.has_names = value != 0;
        break;
      default:
        if (!WireFormatLite::SkipField(&in, tag)) return std::nullopt;
    }
  }
  return head;
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
    const chunk_head head = read_head(byte, **frame).value_or(chunk_head{.stream = {.byte = byte}});
    if (head.begins_stream || found.empty())
      found.push_back(head.stream);
    else if (head.stream.has_names)
      found.back().has_names = true;
    byte += frame_header_bytes + (*frame)->size();
  }
}

}  // namespace pvmmu::tools
