// A recording's file from anywhere. The first byte says how the rest becomes one: as it is; or cut into chunks whose
// checksums are right, of bytes that are to be unpacked or that are records already, so that what lies behind the
// checks is reached. Nothing may crash, and where a file can be read to its end it can be entered in the middle as
// well.

#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cassert>
#include <string>
#include <string_view>

#include "proto/framing.h"
#include "tools/recording_file.h"

namespace {

using namespace pvmmu;
using namespace pvmmu::tools;

/// A file in memory, with a name.
class memory_file {
 public:
  explicit memory_file(std::string_view bytes) : fd_(memfd_create("recording", 0)) {
    const bool written = write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    assert(written);
  }
  ~memory_file() { close(fd_); }
  memory_file(const memory_file&) = delete;
  memory_file& operator=(const memory_file&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// Chunks of `bytes`, each as long as its first byte says; its lowest bit begins a stream.
std::string chunks_of(std::string_view bytes, bool packs) {
  chunk_packer packer;
  std::vector<u8> file;
  u32 checksum = 0;
  bool continues = false;
  while (!bytes.empty()) {
    const auto head = static_cast<u8>(bytes.front());
    const std::string_view part = bytes.substr(1, head / 2u);
    bytes.remove_prefix(1 + part.size());
    if (part.empty()) continue;
    continues = continues && head % 2 == 0;
    recording::chunk chunk;
    chunk.set_records(std::string(packs ? packer.pack(part, continues) : part));
    const auto* const data = reinterpret_cast<const Bytef*>(chunk.records().data());
    checksum = static_cast<u32>(crc32_z(continues ? checksum : 0, data, chunk.records().size()));
    chunk.set_crc32(checksum);
    if (!continues && packs) chunk.set_pieces_before(0);
    const auto size = static_cast<u32>(chunk.ByteSizeLong());
    chunk.SerializeToArray(add_frame(file, size), static_cast<int>(size));
    continues = true;
  }
  return std::string(recording_magic) + std::string(file.begin(), file.end());
}

bool read_on(recording_reader& reader) {
  for (;;) {
    const auto record = reader.next();
    if (!record) return false;
    if (!*record) return true;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const memory_file file(data[0] % 3 == 0 ? std::string(recording_magic) + std::string(rest)
                                          : chunks_of(rest, data[0] % 3 == 1));
  const auto places = find_streams(file.path());
  auto reader = recording_reader::open(file.path());
  if (!reader) return 0;
  const bool whole = read_on(*reader);
  for (const stream_begin& place : places) {
    reader->go_to(place);
    const bool reads = read_on(*reader);
    assert(reads || !whole);
  }
  return 0;
}
