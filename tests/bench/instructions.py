#!/usr/bin/env python3
"""Instructions per operation of the model beside the real Xen's: tests/bench/instructions.py build/instructions

Prints a table and exits with 1 if the model needs more than the real Xen in any row. The counts are deterministic."""

import pathlib
import re
import subprocess
import sys
import tempfile


def rows(program, folder):
    """(operation, entries, real Xen's count per entry, model's count per entry), in the program's order."""
    subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=pvmmu::xen::do_hypercall(*", "--quiet",
         f"--callgrind-out-file={folder}/out", program],
        check=True, stdout=subprocess.DEVNULL)
    for dump in sorted(folder.glob("out.*"), key=lambda path: int(path.suffix[1:])):
        text = dump.read_text(encoding="utf-8", errors="replace")
        name = re.search(r"^desc: Trigger: Client Request: (.*)\|(\d+)\|(\d+)$", text, re.MULTILINE)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
        if name and total:
            entries = int(name[2])
            yield name[1], entries, int(name[3]), int(total[1]) / entries


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        table = list(rows(sys.argv[1], pathlib.Path(folder)))
    if not table:
        sys.exit("callgrind counted nothing")
    print(f"{'operation':36} {'entries':>7} {'real Xen':>9} {'model':>9} {'ratio':>6}")
    for operation, entries, real, model in table:
        print(f"{operation:36} {entries:7} {real:9} {model:9.0f} {model / real:6.2f}")
    worse = [row for row in table if row[3] > row[2]]
    for operation, entries, _, _ in worse:
        print(f"more than the real Xen: {operation}, {entries} entries")
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
