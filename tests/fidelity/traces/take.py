"""Makes traces of what `traced` printed on a guest's console: take.py CONSOLE FOLDER WORKLOAD…

Each is cut to what is compared, and packed: FOLDER/WORKLOAD.trace.gz.
"""

import base64
import gzip
import re
import sys
from pathlib import Path

import traces

POINTER = re.compile(r"\b(mm|ptep|pgd|pmdp|pudp|p4dp|user_p4dp|data) ([0-9a-f]{16}|\(\w+\))(?![0-9a-f])")
# With real pointers write_cr3 loses its whole text, and its end of line too.
NO_END = re.compile(r"^(.*xen_mmu_write_cr3:) +(\S+-\d+ +\[\d+\].*)$", re.MULTILINE)


def printed(console, name):
    begin, end = console.index(f"{name} BEGIN"), console.index(f"{name} END")
    return gzip.decompress(base64.b64decode("".join(console[begin + 1:end]))).decode()


def stamp(line):
    return re.search(r"(\d+\.\d+): (xen_\w+):", line).groups()


def joined(hashed, real):
    """A line with the words of the one and the pointers of the other."""
    if hashed.startswith("#") or "xen_mmu_write_cr3" in hashed:
        return hashed
    if stamp(hashed) != stamp(real):
        raise SystemExit(f"not the same event:\n{hashed}\n{real}")
    pointers = iter(POINTER.findall(real))
    return POINTER.sub(lambda match: f"{match[1]} {next(pointers)[1]}", hashed)


def workloads_part(lines):
    own = [i for i, line in enumerate(lines) if (match := traces.LINE.match(line)) and match["task"] == "workload"]
    begin = next(i for i in own if "xen_mmu_set_p4d: p4dp" in lines[i] and re.search("p4dp [0-9a-f]{13}100 ", lines[i]))
    return lines[begin:max(i for i in own if "xen_mmu_release_ptpage" in lines[i]) + 1]


def main(console_path, folder, *workloads):
    console = [line.strip() for line in Path(console_path).read_text(errors="replace").splitlines()]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for workload in workloads:
        hashed = printed(console, f"{workload}.hashed").splitlines()
        real = NO_END.sub(r"\1\n\2", printed(console, f"{workload}.real")).splitlines()
        if len(hashed) != len(real):
            raise SystemExit(f"{workload}: {len(hashed)} lines with hashed pointers, {len(real)} with real ones")
        lines = workloads_part([joined(*pair) for pair in zip(hashed, real)])
        data = gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0)
        (Path(folder) / f"{workload}.trace.gz").write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
