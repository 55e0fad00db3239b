#!/bin/sh
# Takes the traces anew: boots Linux on the real Xen once, runs each workload with the xen:* events on.
#
#   tests/fidelity/traces/record.sh FOLDER [KERNEL]      FOLDER/WORKLOAD.trace.gz; KERNEL is 6.1
#
# The programs are those of build/, or of $PVMMU_BUILD.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${PVMMU_BUILD:-$here/../../../build}
workloads="move_8m fork_cow mprotect exec madvise move_1m uffd_copy"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$build/pvmmu" --quiet initrd "$build/workload" "$here/traced" -o "$scratch/initrd"
"$build/pvmmu" record --kernel "${2:-6.1}" --initrd "$scratch/initrd" --run "traced $workloads" -o "$scratch/rec" \
  > "$scratch/console" 2>&1 || { tail "$scratch/console"; exit 1; }
python3 -B "$here/take.py" "$scratch/console" "$1" $workloads
