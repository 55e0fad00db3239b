#pragma once
// What a scenario finds in a domain without a kernel: frames that begin as it wants them, and a window: 512 empty pages
// at an address of their own, with tables that have names.

#include <optional>

#include "guest-pv/channel_client.h"
#include "guest-pv/hypercalls.h"

namespace pvmmu::tools {

class bare_domain {
 public:
  /// `mapped`: so many frames from the first on are mapped writable, and free.
  bare_domain(guest::channel_client& client, guest::hypercalls& xen, const start_info& info, u64 mapped);

  /// A zeroed frame that is mapped writable, or one that never was; nothing if there is none left.
  std::optional<mfn_t> take_mapped();
  std::optional<mfn_t> take_untouched();
  /// Of a frame that is mapped.
  void write(mfn_t mfn, unsigned slot, u64 value);
  void unmap(mfn_t mfn);

  /// Where slot 0 of the window is. It is opened when somebody asks for it or its tables.
  u64 window_va();
  /// Its table of `level` 1 to 3; 4: the L4 that is loaded at the start.
  mfn_t window_table(unsigned level);
  /// What that L4 holds in a slot that nobody has changed.
  pte_t l4_entry(unsigned slot);

 private:
  void open_window();
  mfn_t mfn_of(pfn_t pfn) const;
  u64 va_of(mfn_t mfn) const;

  guest::channel_client& client_;
  guest::hypercalls& xen_;
  const start_info& info_;
  u64 next_mapped_ = 0;  ///< pfns
  u64 end_of_mapped_;    ///< the window's tables follow
  u64 next_untouched_;
  mfn_t l4_;
  bool window_is_open_ = false;
  mfn_t tables_[3]{};  ///< L1 to L3
};

}  // namespace pvmmu::tools
