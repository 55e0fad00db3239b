#include "tests/conformance/probe/results.h"

#include "tests/conformance/probe/xen_abi.h"

namespace pvmmu::probe {
namespace {

alignas(page_bytes) u8 memory[results_capacity];

}  // namespace

results::results() : header_(reinterpret_cast<results_header*>(memory)) {
  *header_ = results_header{};
  header_->bytes = used_;
}

void* results::append_bytes(u64 bytes) {
  if (bytes > sizeof memory - used_) lost("no room for results", used_);
  void* place = memory + used_;
  used_ += bytes;
  return place;
}

void results::commit() {
  header_->bytes = used_;
  ++header_->nr_programs;
}

}  // namespace pvmmu::probe
