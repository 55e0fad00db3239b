#include "tools/recorder/machine_recorder.h"

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include "tools/image/image_records.h"

namespace pvmmu::tools {
namespace {

/// Pieces between two images, as they lie in the file: so many bytes at least …
constexpr u64 bytes_between_images = u64{1} << 18;
/// … and so many times those of the last image.
constexpr u64 bytes_per_image_byte = 4;

recording::record header_of(const xen::machine& m, const wire::hello_request& first) {
  recording::record record;
  recording::header& header = *record.mutable_header();
  header.set_format_version(recording_format_version);
  header.set_tool_version(PVMMU_VERSION);
  header.set_hypervisor("the model of Xen 4.17");
  header.set_guest(first.guest().empty() ? "a guest over the channel" : first.guest());
  header.set_machine_frames(m.config().frames);
  header.set_debug_build(m.config().debug_build);
  header.set_tlb(m.config().tlb);
  return record;
}

template <class Request>
void set_asker(const Request& request, recording::piece& piece) {
  piece.set_domid(request.domid());
  piece.set_vcpu(request.vcpu());
  if (!request.caller().empty()) piece.add_callers(request.caller());
}

void take(const wire::hypercall_request& request, const wire::hypercall_reply& reply, recording::piece& piece) {
  set_asker(request, piece);
  *piece.mutable_call() = request.call();
  *piece.mutable_preempted_checks() = request.preempted_checks();
  piece.set_crashed(reply.crashed());
  if (reply.has_outcome()) *piece.mutable_outcome() = reply.outcome();
}

void take(const wire::access_request& request, const wire::access_reply& reply, recording::piece& piece) {
  set_asker(request, piece);
  wire::access_request& access = *piece.mutable_access();
  access = request;
  access.clear_domid();  // the piece has them
  access.clear_vcpu();
  access.clear_caller();
  piece.set_crashed(reply.crashed());
  if (!reply.crashed()) *piece.mutable_accessed() = reply;
}

}  // namespace

machine_recorder::machine_recorder(recording_writer writer, const xen::machine& m, const wire::hello_request& first,
                                   std::function<void(const std::string&)> failed)
    : writer_(std::move(writer)), m_(m), image_due_(bytes_between_images), failed_(std::move(failed)) {
  writer_.add(header_of(m, first));
  writer_.flush();
}

machine_recorder::~machine_recorder() {
  if (const auto finished = writer_.finish(); !finished) failed_(finished.error());
}

void machine_recorder::on_note(const wire::note& note) {
  record_.Clear();
  *record_.mutable_note() = note;
  writer_.add(record_);
}

void machine_recorder::on_request(const wire::request& request, const wire::reply& reply) {
  record_.Clear();
  recording::piece& piece = *record_.mutable_piece();
  switch (request.what_case()) {
    case wire::request::kCreateDomain:
      piece.set_domid(reply.create_domain().domid());
      *piece.mutable_create_domain() = request.create_domain();
      break;
    case wire::request::kDestroyDomain:
      piece.set_domid(request.destroy_domain().domid());
      *piece.mutable_destroy_domain() = request.destroy_domain();
      break;
    case wire::request::kHypercall: take(request.hypercall(), reply.hypercall(), piece); break;
    default: take(request.access(), reply.access(), piece); break;
  }
  writer_.add(record_);
  writer_.flush();
  if (writer_.bytes() >= image_due_) add_image();
}

void machine_recorder::add_image() try {
  const u64 before = writer_.bytes();
  const xen::machine_image image = save(m_);
  for_each_record(image, [this](const recording::record& r) { writer_.add(r); });
  writer_.flush();
  image_due_ = writer_.bytes() + std::max(bytes_between_images, bytes_per_image_byte * (writer_.bytes() - before));
} catch (const std::system_error&) {  // the system does not tell what memory was touched
  image_due_ = std::numeric_limits<u64>::max();
}

}  // namespace pvmmu::tools
