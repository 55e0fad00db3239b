#pragma once
// Hypercalls and accesses that a person makes in the kernel's place. They go through unchanged; but the kernel, which
// remembers what it has stored, learns which words of its memory may have changed.

#include "guest-pv/kernel_state.h"

namespace pvmmu::guest {

class hand_made_calls final : public hypercalls {
 public:
  hand_made_calls(hypercalls& xen, kernel_state& k) : xen_(xen), k_(k) {}

  std::expected<long, domain_crashed> call(vcpu_id_t vcpu, hypercall& call, std::string_view caller) override;
  std::expected<access_result, domain_crashed> access(vcpu_id_t vcpu, const access_request& request,
                                                      std::string_view caller) override;

 private:
  struct word {
    mfn_t frame;
    unsigned index = 0;
  };
  using words = std::vector<word>;

  void add_targets(vcpu_id_t vcpu, const hypercall& call, words& to) const;
  /// The word at `va`, as `vcpu` sees it.
  void add_word(vcpu_id_t vcpu, u64 va, words& to) const;
  /// The entry that maps `va` for `vcpu`.
  void add_entry(vcpu_id_t vcpu, u64 va, words& to) const;
  void changed(const words& targets);

  hypercalls& xen_;
  kernel_state& k_;
};

}  // namespace pvmmu::guest
