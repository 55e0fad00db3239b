#!/usr/bin/env bash
# From a fresh clone to the main job: installs what is missing, builds pvmmu, and moves 2 MiB by one PMD, first under one
# kernel, step by step, then under all of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/install-deps.sh
cmake --preset release
cmake --build --preset release --target pvmmu

show() {
  printf '\n$ %s\n' "$*"
  "$@"
}
show build/pvmmu run examples/pmd-move.textproto
show build/pvmmu matrix examples/pmd-move.textproto
