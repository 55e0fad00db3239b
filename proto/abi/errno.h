#pragma once
// The error numbers that Xen's MMU calls return, negated, in rax (xen public/errno.h).

#include <string_view>

#include "proto/abi/types.h"

namespace pvmmu {

enum class xen_errno : int {
  eperm = 1,
  enoent = 2,
  esrch = 3,
  eintr = 4,
  e2big = 7,
  enomem = 12,
  eacces = 13,
  efault = 14,
  ebusy = 16,
  eexist = 17,
  einval = 22,
  erange = 34,
  enosys = 38,
  erestart = 85,
  eopnotsupp = 95,
};

/// What a hypercall returns for this error.
constexpr long to_result(xen_errno e) { return -static_cast<long>(e); }

/// "-EINVAL" for -22, "" for anything that is no error of the list above.
constexpr std::string_view errno_name(long result) {
  switch (static_cast<xen_errno>(-result)) {
    case xen_errno::eperm: return "-EPERM";
    case xen_errno::enoent: return "-ENOENT";
    case xen_errno::esrch: return "-ESRCH";
    case xen_errno::eintr: return "-EINTR";
    case xen_errno::e2big: return "-E2BIG";
    case xen_errno::enomem: return "-ENOMEM";
    case xen_errno::eacces: return "-EACCES";
    case xen_errno::efault: return "-EFAULT";
    case xen_errno::ebusy: return "-EBUSY";
    case xen_errno::eexist: return "-EEXIST";
    case xen_errno::einval: return "-EINVAL";
    case xen_errno::erange: return "-ERANGE";
    case xen_errno::enosys: return "-ENOSYS";
    case xen_errno::erestart: return "-ERESTART";
    case xen_errno::eopnotsupp: return "-EOPNOTSUPP";
  }
  return "";
}

}  // namespace pvmmu
