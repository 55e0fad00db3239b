// What a module has to offer: see module.h.

#include "tools/conform/model_side.h"

extern "C" [[gnu::visibility("default")]] pvmmu::conform::subject* make_subject(
    const pvmmu::lab::machine_facts& facts) {
  return new pvmmu::conform::model_side(facts);
}
