#pragma once
// A machine's image and the records of a recording that hold it (proto/recording.proto): none of them is large.
//
//   for_each_record(image, [&](const recording::record& r) { writer.add(r); });
//
//   image_builder builder(header);                     // of the recording
//   while (!builder.complete()) builder.take(record);  // throws std::invalid_argument
//   auto m = xen::restore_checked(builder.finish());   // what is read is believed only then
//
// No memory is taken on a record's word, but for pages that are there.

#include "recording.pb.h"

#include <functional>
#include <optional>

#include "hypervisor-model/machine_image.h"

namespace pvmmu::tools {

/// Of the state that the model has: whoever changes what an image holds, or what it means, counts on.
inline constexpr u32 machine_image_version = 1;

void for_each_record(const xen::machine_image& image, const std::function<void(const recording::record&)>& use);

class image_builder {
 public:
  /// `first` begins the image. Throws std::invalid_argument for one of another machine or version than expected.
  image_builder(const recording::header& header, const recording::machine_image& first);

  void take(const recording::image_pages& record);
  bool complete() const { return pages_taken_ == pages_; }
  xen::machine_image finish() { return std::move(image_); }

 private:
  void take_page(const recording::image_pages& record, const recording::table& page);
  xen::domain_image& domain_of(const recording::image_pages& record);

  xen::machine_image image_;
  u64 pages_ = 0;
  u64 pages_taken_ = 0;
};

}  // namespace pvmmu::tools
