#include "tests/tools/why/recorded_scenario.h"

#include <stdlib.h>

#include <stdexcept>

#include "tools/connection.h"
#include "tools/recorder/recorder.h"
#include "tools/runner.h"

namespace pvmmu::tools {

recorded_scenario::recorded_scenario(const std::string& name, const std::vector<std::string>& items) {
  std::string folder = std::filesystem::temp_directory_path() / "pvmmu-XXXXXX";
  if (!mkdtemp(folder.data())) throw std::runtime_error("no scratch directory");
  folder_ = folder;
  recorder r(path(), [](const std::string&) {});
  {
    connection server("", r.listens());
    run_scenario(scenario_file::read(PVMMU_SOURCE_DIR + ("/examples/" + name + ".textproto")), server,
                 {.items = items});
  }
  r.check();
}

recorded_scenario::~recorded_scenario() { std::filesystem::remove_all(folder_); }

}  // namespace pvmmu::tools
