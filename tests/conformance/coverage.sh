#!/bin/sh
# Which lines of the model's core do the conformance programs run through: random and written ones, while the real Xen
# runs them too, and those that are run again under every schedule of preemption, which the real Xen does not let us
# choose?
#
#   tests/conformance/coverage.sh [CALLS] [SEED]        default: 200000 calls, seed 1
#
# Builds into build-coverage/ (the core alone is instrumented), runs them, prints each line that was not reached as
# file:line, and last the share that was. uncovered.md says why lines are left.
# The server, snapshots and the audit take no part in a call's answer and are not counted.
set -eu
cd "$(dirname "$0")/../.."
calls=${1:-200000}
seed=${2:-1}
cmake -S . -B build-coverage -G Ninja -DCMAKE_BUILD_TYPE=Release -DPVMMU_COVERAGE=ON >/dev/null
ninja -C build-coverage pvmmu conformance_test >/dev/null
find build-coverage -name '*.gcda' -delete
# A difference is a finding of the campaign's, not of this.
(
  cd build-coverage
  ./pvmmu conform --hypercalls "$calls" --seed "$seed" --quiet | tail -1 >&2
  ./pvmmu conform --quiet ../tests/conformance/programs/*.textproto | tail -1 >&2
  ./conformance_test --gtest_brief=1 >&2
) || true
object=$(find build-coverage/CMakeFiles/hypervisor_model.dir -name '*.gcda')
gcov --json-format --stdout "$object" | python3 -B tests/conformance/coverage.py
