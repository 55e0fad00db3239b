#!/bin/sh
# Lets xl save and restore a PV domU on the real Xen, and holds the model's suspend and resume against what the domU asked.
#
#   tests/fidelity/save-restore/record.sh 6.1       # or 6.12; two minutes
#
# The command and the test are those of build/, or of $PVMMU_BUILD.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${PVMMU_BUILD:-$here/../../../build}
if [ $# -ne 1 ]; then
  echo "usage: $0 SERIES: a series of kernels, 6.1 or 6.12" >&2
  exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$here/initrd.sh" "$1" "$folder/initrd"
"$build/pvmmu" record --kernel "$1" --initrd "$folder/initrd" --run save-restore -o "$folder/$1.rec"
PVMMU_SAVE_RESTORE=$folder "$build/tools_compare_test" --gtest_filter="*suspend*/of_$(echo "$1" | tr . _)"
