#!/bin/sh
# Records workloads under real kernels, one boot each, and holds the model against every recording at once.
#
#   tests/fidelity/record.sh                                all of them, into tests/fidelity/recordings: an hour
#   tests/fidelity/record.sh FOLDER KERNEL [WORKLOAD...]    these, as FOLDER/KERNEL/WORKLOAD.rec
#
# KERNEL: 6.1, 6.12, or 6.1-nr-cpus-2, which is built if it is not there (kernel-without-split-locks.sh). The programs are
# those of build/, or of $PVMMU_BUILD. Exit status 1: a recording does not replay exactly, or the model asks differently.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${PVMMU_BUILD:-$here/../../build}
pvmmu=$build/pvmmu

workloads_of() {
  for scenario in "$here"/*.textproto; do
    name=$(basename "$scenario" .textproto)
    case $1:$name in
      6.12:*) echo "$name" ;;
      *:uffd_move) ;;  # Linux 6.8
      *) echo "$name" ;;
    esac
  done
}

record() {
  folder=$1/$2
  case $2 in
    6.1-nr-cpus-2) kernel=$("$here/kernel-without-split-locks.sh") ;;
    *) kernel=$2 ;;
  esac
  mkdir -p "$folder"
  shift 2
  for name in "$@"; do
    case $name in
      two_threads | two_faulting | fork_two_cpus) vcpus=2 ;;
      *) vcpus=1 ;;
    esac
    "$pvmmu" --quiet record --kernel "$kernel" --initrd "$initrd" --vcpus $vcpus --run "workload $name" -o "$folder/$name.rec"
    "$pvmmu" --quiet replay "$folder/$name.rec" || status=1
    "$pvmmu" --quiet compare "$folder/$name.rec" --workload "$name" || status=1
  done
}

status=0
initrd=$(mktemp)
trap 'rm -f "$initrd"' EXIT
"$pvmmu" --quiet initrd "$build/workload" -o "$initrd"

if [ $# -ge 2 ]; then
  folder=$1
  kernel=$2
  shift 2
  [ $# -gt 0 ] || set -- $(workloads_of "$kernel")
  record "$folder" "$kernel" "$@"
else
  for kernel in 6.1 6.1-nr-cpus-2 6.12; do
    record "$here/recordings" "$kernel" $(workloads_of "$kernel")
  done
fi
exit $status
