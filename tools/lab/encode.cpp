#include "tools/lab/encode.h"

#include <fmt/format.h>

#include <cstring>
#include <stdexcept>
#include <type_traits>

#include "tools/lab/lowered_call.h"

namespace pvmmu::lab {
namespace {

class writer {
 public:
  template <class T>
  void put(const T& record) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto* bytes = reinterpret_cast<const u8*>(&record);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof record);
  }
  std::size_t size() const { return bytes_.size(); }
  template <class T>
  void overwrite(std::size_t at, const T& record) {
    std::memcpy(bytes_.data() + at, &record, sizeof record);
  }
  std::vector<u8> take() { return std::move(bytes_); }

 private:
  std::vector<u8> bytes_;
};

void put_call(writer& out, const call& c) {
  const lowered_call lowered = lower(c);
  out.put(lowered.header);
  for (const lowered_blob& b : lowered.blobs) {
    out.put(probe::blob_header{static_cast<u32>(b.words.size()), b.bytes, b.out ? probe::blob_out : 0u, 0});
    for (const word& w : b.words) out.put(w);
  }
}

void put_program(writer& out, const program& p) {
  probe::program_header header{.nr_frames = p.nr_frames,
                               .nr_untouched = p.nr_untouched,
                               .nr_names = p.nr_frames + p.nr_adopted,
                               .nr_foreign = p.nr_foreign,
                               .nr_contents = static_cast<u32>(p.contents.size()),
                               .nr_calls = static_cast<u32>(p.calls.size()),
                               .nr_grants = p.nr_grants};
  if (header.nr_names + header.nr_foreign > probe::max_frames || p.nr_untouched > p.nr_frames)
    throw std::invalid_argument(fmt::format("a program wants {} frames, at most {} are possible",
                                            header.nr_names + header.nr_foreign, probe::max_frames));
  if (p.nr_grants > probe::grants_per_frame)
    throw std::invalid_argument(
        fmt::format("a program wants {} grants, at most {} are possible", p.nr_grants, probe::grants_per_frame));
  const std::size_t start = out.size();
  out.put(header);
  for (const content& c : p.contents) out.put(c);
  for (const call& c : p.calls) put_call(out, c);
  header.bytes = static_cast<u32>(out.size() - start);
  out.overwrite(start, header);
}

}  // namespace

std::vector<u8> encode(std::span<const program> programs) {
  writer out;
  probe::module_header header{.nr_programs = static_cast<u32>(programs.size())};
  out.put(header);
  for (const program& p : programs) put_program(out, p);
  header.bytes = out.size();
  out.overwrite(0, header);
  return out.take();
}

}  // namespace pvmmu::lab
