"""The table of the project's README.md: each workload under each real kernel, and whether the model asks alike.

Usage: table.py PVMMU [check]    prints the table; with `check` fails unless README.md has it
"""

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
README = FOLDER.parents[1] / "README.md"
KERNELS = ("6.1", "6.1-nr-cpus-2", "6.12")


def cells_of(pvmmu, workload, kernel):
    recording = FOLDER / "recordings" / kernel / f"{workload}.rec"
    if not recording.exists():
        return ["–"]
    command = [pvmmu, "compare", str(recording), "--workload", workload, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(run.stdout)
    real = found["recording"]
    aside = sum(real["operations_set_aside"].values())
    verdict = "equal" if run.returncode == 0 else found.get("begins_otherwise", f"{found['differ']} differ")
    return [f"{real['calls']} / {real['multicalls']} / {found['entries_validated']} / {aside} {verdict}"]


def table(pvmmu):
    yield "| workload | " + " | ".join(KERNELS) + " |"
    yield "|---" * (len(KERNELS) + 1) + "|"
    for scenario in sorted(FOLDER.glob("*.textproto")):
        cells = [cell for kernel in KERNELS for cell in cells_of(pvmmu, scenario.stem, kernel)]
        yield f"| `{scenario.stem}` | " + " | ".join(cells) + " |"


def main():
    lines = "\n".join(table(sys.argv[1]))
    print(lines)
    if sys.argv[2:] == ["check"] and lines not in README.read_text(encoding="utf-8"):
        print("README.md has another table")
        sys.exit(1)


main()
