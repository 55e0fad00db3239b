#include "hypervisor-model/machine/reserved_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <system_error>

namespace pvmmu::xen {
namespace {

constexpr const char* pagemap_path = "/proc/self/pagemap";

// linux Documentation/admin-guide/mm/pagemap.rst: an entry of 64 bits for each page of the address space.
constexpr u64 pagemap_present = u64{1} << 63;
constexpr u64 pagemap_swapped = u64{1} << 62;

class pagemap {
 public:
  pagemap() : fd_(::open(pagemap_path, O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail();
  }
  ~pagemap() { ::close(fd_); }
  pagemap(const pagemap&) = delete;
  pagemap& operator=(const pagemap&) = delete;

  /// Reads the entries of the system's pages from `first` on: at least one, and no more than fit.
  std::span<const u64> read(u64 first, u64 nr) {
    const u64 wanted = std::min<u64>(nr, entries_.size()) * sizeof(u64);
    const ssize_t got = ::pread(fd_, entries_.data(), wanted, static_cast<off_t>(first * sizeof(u64)));
    if (got < static_cast<ssize_t>(sizeof(u64))) fail();
    return std::span(entries_).first(static_cast<std::size_t>(got) / sizeof(u64));
  }

 private:
  [[noreturn]] static void fail() {
    throw std::system_error(errno, std::generic_category(),
                            std::string(pagemap_path) + ": cannot be read, and tells what memory was touched");
  }

  int fd_;
  std::array<u64, 4096> entries_;
};

}  // namespace

reserved_memory::reserved_memory(u64 bytes) : data_(nullptr), bytes_(bytes) {
  data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data_ == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot reserve " + std::to_string(bytes >> 20) + " MiB of address space for the machine");
  }
  // A page of the model's memory is a frame of the machine's: huge pages would cost 512 times what is touched.
  ::madvise(data_, bytes, MADV_NOHUGEPAGE);
}

reserved_memory::~reserved_memory() { ::munmap(data_, bytes_); }

std::vector<u64> reserved_memory::touched_pages() const {
  const auto system_page = static_cast<u64>(::sysconf(_SC_PAGESIZE));
  const u64 first = reinterpret_cast<std::uintptr_t>(data_) / system_page;
  const u64 end = first + (bytes_ + system_page - 1) / system_page;
  pagemap map;
  std::vector<u64> touched;
  for (u64 n = first; n < end;) {
    for (const u64 entry : map.read(n, end - n)) {
      const u64 begin = (n++ - first) * system_page / PAGE_SIZE;
      if ((entry & (pagemap_present | pagemap_swapped)) == 0) continue;
      for (u64 page = begin; page < std::min(begin + system_page / PAGE_SIZE, pages()); ++page) touched.push_back(page);
    }
  }
  return touched;
}

}  // namespace pvmmu::xen
