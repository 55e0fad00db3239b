"""A kernel flushes what it must: on processors with TLBs each scenario ends as it does without.

Usage: tlb.py PVMMU SCENARIO…
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FINDING = ("what", "expected", "got")


def with_tlb(text):
    """The scenario on a machine with TLBs; `machine { … }` may be there or not."""
    text, found = re.subn(r"^machine \{", "machine { tlb: true", text, count=1, flags=re.MULTILINE)
    return text if found else "machine { tlb: true }\n" + text


def findings(pvmmu, scenario):
    """The exit status, and what was found, without the lines of the file."""
    done = subprocess.run([pvmmu, "run", "--quiet", "--json", scenario], text=True, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{scenario}: {done.stderr}")
    steps = [step for s in json.loads(done.stdout)["scenarios"] for step in s["steps"]]
    return done.returncode, [[f[key] for key in FINDING] for step in steps for f in step["findings"]]


def main(pvmmu, scenarios):
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for scenario in scenarios:
            text = Path(scenario).read_text(encoding="utf-8")
            if "kernel {" not in text or "tlb: true" in text:
                continue
            copy = Path(folder) / Path(scenario).name
            copy.write_text(with_tlb(text), encoding="utf-8")
            without, with_it = findings(pvmmu, scenario), findings(pvmmu, str(copy))
            if without != with_it:
                print(f"{scenario}: without TLBs {without}, with them {with_it}")
                different += 1
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
