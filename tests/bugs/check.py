"""Runs a bug of the past twice: with the item that broke a kernel, and with the one that mended it.

Usage: check.py PVMMU SCENARIO

The scenario says in a comment which item that is, and what must be found while it is broken:

    # broken: lazy_nesting=bug
    # shows: kernel BUG at arch/x86/kernel/paravirt.c!
    # fixed: lazy_nesting=counted

Each `shows` is part of a finding. Mended, all is as expected. The page beside the scenario shows both, and README.md has a row
for it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path


def said(text, word):
    """What the comment says behind `# word:`."""
    return re.findall(rf"^# {word}: (.+)$", text, re.MULTILINE)


def run(pvmmu, scenario, item):
    """The exit status, and all findings as text."""
    command = [pvmmu, "run", "--quiet", "--json", str(scenario), "--item", item]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    steps = [step for s in json.loads(done.stdout)["scenarios"] for step in s["steps"]]
    found = [f for step in steps for f in step["findings"]]
    return done.returncode, [f"{f['what']}: expected {f['expected']}, got {f['got']}" for f in found]


def check(pvmmu, scenario):
    """All that is wrong, as sentences."""
    text = scenario.read_text(encoding="utf-8")
    broken, fixed, shows = said(text, "broken"), said(text, "fixed"), said(text, "shows")
    if len(broken) != 1 or len(fixed) != 1 or not shows:
        return ["the scenario needs one comment `# broken: ITEM=VALUE`, one `# fixed: …`, and a `# shows: …`"]
    if broken[0].split("=")[0] != fixed[0].split("=")[0]:
        return [f"broken and fixed are one item, not {broken[0]} and {fixed[0]}"]
    wrong = []
    status, found = run(pvmmu, scenario, broken[0])
    missing = [s for s in shows if not any(s in f for f in found)]
    if status != 1 or missing:
        wrong.append(f"{broken[0]}: exit status {status}; not found: {missing}; found: {found}")
    status, found = run(pvmmu, scenario, fixed[0])
    if status != 0:
        wrong.append(f"{fixed[0]}: exit status {status}; found: {found}")
    page = scenario.with_suffix(".md")
    commands = page.read_text(encoding="utf-8") if page.exists() else ""
    wrong += [f"{page.name} does not show --item {i}" for i in (broken[0], fixed[0]) if f"--item {i}" not in commands]
    row = f"`{broken[0]}`, `{fixed[0].split('=')[1]}`"
    table = (scenario.parent / "README.md").read_text(encoding="utf-8").splitlines()
    if not any(f"]({page.name})" in line and row in line for line in table):
        wrong.append(f"README.md has no row for {page.name} with {row}")
    return wrong


def main(pvmmu, scenario):
    wrong = check(pvmmu, Path(scenario))
    for sentence in wrong:
        print(f"{scenario}: {sentence}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
