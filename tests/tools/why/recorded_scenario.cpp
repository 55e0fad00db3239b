#include "tests/tools/why/recorded_scenario.h"

#include "tools/connection.h"
#include "tools/recorder/recorder.h"
#include "tools/runner.h"

namespace pvmmu::tools {

recorded_scenario::recorded_scenario(const std::string& name, const std::vector<std::string>& items) {
  recorder r(path(), [](const std::string&) {});
  {
    connection server("", r.listens());
    run_scenario(scenario_file::read(PVMMU_SOURCE_DIR + ("/examples/" + name + ".textproto")), server,
                 {.items = items});
  }
  r.check();
}

}  // namespace pvmmu::tools
