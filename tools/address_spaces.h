#pragma once
// A kernel's address spaces by the names that a scenario gives them, and which of them each vCPU runs.

#include <map>
#include <string>

#include "guest-pv/kernel.h"

namespace pvmmu::tools {

class address_spaces {
 public:
  void add(const std::string& name, guest::mm& mm) { mms_[name] = &mm; }
  void remove(const std::string& name) {
    mms_.erase(name);
    std::erase_if(loaded_, [&](const auto& l) { return l.second == name; });
  }
  void load(vcpu_id_t vcpu, const std::string& name) { loaded_[vcpu] = name; }
  /// The name of what is loaded on `vcpu`; empty: a kernel thread runs.
  std::string loaded(vcpu_id_t vcpu) const {
    const auto at = loaded_.find(vcpu);
    return at == loaded_.end() ? "" : at->second;
  }
  /// The address space of that name, or without a name the one loaded on `vcpu`. `check_scenario` has seen to it that
  /// there is one.
  guest::mm& at(const std::string& name, vcpu_id_t vcpu) const {
    return *mms_.at(name.empty() ? loaded_.at(vcpu) : name);
  }

 private:
  std::map<std::string, guest::mm*> mms_;
  std::map<vcpu_id_t, std::string> loaded_;
};

}  // namespace pvmmu::tools
