#include "tests/tools/small_capture.h"

#include <fmt/format.h>
#include <lzma.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "hypervisor-model/machine/page_info.h"
#include "tests/tools/recordings.h"

namespace pvmmu::tools {
namespace {

constexpr std::size_t frames = 2048;
constexpr u32 the_domain = 0x3fc7e;
constexpr u32 dom_io = 0x3fc76;
constexpr u32 dom_xen = 0x3fc77;
constexpr std::size_t record_bytes = 32;

std::vector<small_frame> frames_before() {
  using namespace xen;
  std::vector<small_frame> all(frames);
  for (std::size_t n = 0; n < 256; ++n) all[n] = {PGC_allocated | 1, PGT_writable_page | PGT_validated | 1, dom_io};
  all[0x300] = {PGC_allocated | PGC_xen_heap | 1, PGT_none | PGT_validated | 1, dom_xen};
  all[0x301] = {PGC_state_free, 0, 7};  // a free frame: 7 is no owner
  for (std::size_t n = 0x400; n < 0x410; ++n) all[n] = {PGC_allocated | 1, PGT_none, the_domain};
  for (const u64 l4 : {small_capture::kernel_l4, small_capture::user_l4})
    all[l4] = {PGC_allocated | 3, PGT_l4_page_table | PGT_pinned | PGT_validated | 2, the_domain};
  all[small_capture::l3] = {PGC_allocated | 2, PGT_l3_page_table | PGT_validated | 1, the_domain};
  all[2047] = {~u64{0}, ~u64{0}, ~u32{0}};
  return all;
}

std::vector<small_frame> frames_after() {
  using namespace xen;
  std::vector<small_frame> all = frames_before();
  all[small_capture::l1] = {PGC_allocated | 2, PGT_l1_page_table | PGT_pinned | PGT_validated | 1, the_domain};
  all[small_capture::data] = {PGC_allocated | 2, PGT_writable_page | PGT_validated | 1, the_domain};
  return all;
}

std::string content(const char* when, u64 mfn, const std::string& pte) {
  return fmt::format(R"({{"e":"content","mfn":{},"when":"{}","pte":{{{}}}}})", mfn, when, pte);
}

void write_frame_table(const std::string& path, const std::vector<small_frame>& all) {
  std::string bytes(all.size() * record_bytes, '\0');
  for (std::size_t n = 0; n < all.size(); ++n) {
    char* const record = bytes.data() + n * record_bytes;
    std::memcpy(record + 8, &all[n].count_info, 8);
    std::memcpy(record + 16, &all[n].type_info, 8);
    std::memcpy(record + 24, &all[n].owner, 4);
  }
  write_bytes(path, bytes);
}

}  // namespace

small_capture::small_capture() : before(frames_before()), after(frames_after()) {
  // 273 is where Linux maps all memory; 258 is Xen's: the table itself.
  const std::string kernel_entries = R"("258":"400063","273":"402067")";
  for (const char* when : {"start", "end"}) {
    lines.push_back(content(when, kernel_l4, kernel_entries));
    lines.push_back(content(when, user_l4, R"("258":"401063")"));
    lines.push_back(content(when, l3, ""));
  }
  lines.insert(lines.begin() + 3, {content("validate", l1, R"("0":"404067","5":"10000000000000")"),
                                   R"({"e":"do_mmuext_op","count":1,"fd":32752,"op":[[0,"403","0"]]})",
                                   R"({"e":"ret","of":"do_mmuext_op","rc":0})"});
  // What Xen makes of the entry: not the kernel's, so global (xen 4.17 mm.c: adjust_guest_l1e).
  lines.push_back(content("end", l1, R"("0":"404167","5":"10000000000000")"));
}

void small_capture::write(const std::string& prefix) const {
  write_frame_table(prefix + ".ft0", before);
  write_frame_table(prefix + ".ft1", after);
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  write_bytes(prefix + ".jsonl", text);
}

void compress(const std::string& path) {
  const std::string plain = read_bytes(path);
  std::string packed(lzma_stream_buffer_bound(plain.size()), '\0');
  std::size_t bytes = 0;
  if (lzma_easy_buffer_encode(LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const u8*>(plain.data()),
                              plain.size(), reinterpret_cast<u8*>(packed.data()), &bytes, packed.size()) != LZMA_OK)
    throw std::runtime_error("no compression for the test");
  write_bytes(path + ".xz", packed.substr(0, bytes));
  std::filesystem::remove(path);
}

}  // namespace pvmmu::tools
