#include "tools/conform/file_check.h"

#include "tools/conform/expectations.h"

namespace pvmmu::conform {

std::vector<checked_program> check(const lab::lab& real, const std::vector<named_program>& programs,
                                   const subject_maker& make_subject) {
  std::vector<lab::program> plain;
  plain.reserve(programs.size());
  for (const named_program& p : programs) plain.push_back(p.program);
  std::vector<checked_program> checked;
  run_boots(real, plain, [&](const boot& b) {
    const std::unique_ptr<subject> model = make_subject(b.session.facts);
    const std::size_t first = checked.size();
    for (std::size_t i = 0; i < b.programs.size(); ++i)
      checked.push_back({.real = b.session.answers[i], .model = model->run(b.programs[i], b.session.answers[i])});
    for (std::size_t i = first; i < checked.size(); ++i) {
      checked_program& c = checked[i];
      c.differs = compare(c.real, *b.session.memory, c.model, *model);
      c.unmet = unmet(programs[i], c.real, *b.session.memory, b.session.facts);
    }
  });
  return checked;
}

}  // namespace pvmmu::conform
