#include "tests/tools/pvmmu_command.h"

#include <sys/wait.h>

#include <cstdio>
#include <memory>

namespace pvmmu::tools {

ended pvmmu(const std::string& arguments, const std::string& talk) {
  const std::string command = std::string(PVMMU_BINARY) + " " + arguments + " " + talk + " < /dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), [](FILE*) { return 0; });
  ended e;
  char buffer[4096];
  while (const std::size_t n = fread(buffer, 1, sizeof buffer, pipe.get())) e.out.append(buffer, n);
  const int status = pclose(pipe.get());
  e.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return e;
}

}  // namespace pvmmu::tools
