#!/usr/bin/env bash
# Installs what is missing, then builds and runs all tests. Stages, the first three by default:
#   release  GCC 12: every test; the real Xen and Linux in QEMU; the rules: format, includes, headers
#   fuzz     clang 19, AddressSanitizer and UndefinedBehaviorSanitizer: every test; libFuzzer over the corpora
#   tsan     clang 19, ThreadSanitizer: the tests that have threads
#   xen      GCC 12: a campaign of 200,000 calls on the real Xen and on the model; models with a rule removed; how a real
#            Linux fails, and two of its CPUs
#   tidy     clang-tidy over every file: ten minutes by itself
# tests/run.sh fuzz tsan runs these two. The last line says how many builds and tests passed and failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stages=("$@")
if [[ ${#stages[@]} -eq 0 ]]; then
  stages=(release fuzz tsan)
fi

passed=0
failed=0
failures=()

fail() {
  failed=$((failed + 1))
  failures+=("$1")
}

# build PRESET [TARGET...]: configures and builds, which counts as one check: no error and no warning.
build() {
  local preset=$1
  shift
  local targets=()
  if [[ $# -gt 0 ]]; then
    targets=(--target "$@")
  fi
  if cmake --preset "$preset" && cmake --build --preset "$preset" "${targets[@]}"; then
    passed=$((passed + 1))
  else
    fail "$preset: build"
    return 1
  fi
}

# run_tests PRESET BUILD_DIR [CTEST_OPTION...]: runs the tests and counts them.
run_tests() {
  local preset=$1 report=$2/tests.xml
  rm -f "$report"
  ctest --test-dir "$2" -j"$(nproc)" --output-on-failure --no-tests=error --output-junit tests.xml "${@:3}" || true
  if [[ ! -s $report ]]; then
    fail "$preset: ctest"
    return
  fi
  local name status
  while read -r status name; do
    case $status in
      run) passed=$((passed + 1)) ;;
      fail) fail "$preset: $name" ;;
      *) fail "$preset: $name did not run" ;;
    esac
  done < <(sed -nE 's/^\s*<testcase name="([^"]*)".* status="([a-z]+)".*/\2 \1/p' "$report")
}

run_stage() {
  case $1 in
    release) build release && run_tests release build -LE '^real_xen$' -E '^rules.tidy$' ;;
    fuzz) build fuzz && run_tests fuzz build-fuzz -LE '^(lab|real_xen)$' ;;
    tsan) build tsan channel_test tools_test && run_tests tsan build-tsan -L '^(channel|tools)$' ;;
    xen) build release && run_tests release build -L '^real_xen$' ;;
    tidy) build release && run_tests release build -R '^rules.tidy$' ;;
    *) fail "there is no stage $1" ;;
  esac
}

tools/install-deps.sh tests
for stage in "${stages[@]}"; do
  printf '\n==== %s\n' "$stage"
  SECONDS=0
  run_stage "$stage" || true
  printf '==== %s: %d s\n' "$stage" "$SECONDS"
done

echo
for failure in "${failures[@]}"; do
  echo "failed: $failure"
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
