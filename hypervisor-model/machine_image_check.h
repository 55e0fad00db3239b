#pragma once
// An image that comes from elsewhere is believed only when it holds together: a machine made of it must not only be
// like one that the model can be, but must never lead its code astray, whatever guests ask of it afterwards.
//
//   auto m = restore_checked(image);
//   if (!m) throw input_error(m.error());   // "domain 1: its page list comes to frame 0x403 twice"
//
// First whatever is an index is looked at, so that the machine can be made; then its lists; then `audit` recounts all
// references.

#include <expected>
#include <memory>
#include <string>

#include "hypervisor-model/machine_image.h"

namespace pvmmu::xen {

/// The error says what is wrong with the image. Throws std::system_error without address space.
std::expected<std::unique_ptr<machine>, std::string> restore_checked(const machine_image& image);

}  // namespace pvmmu::xen
