"""Records a scenario as `pvmmu run --record` does, and repeats the recording: all must come out again, and add up.

Usage: replay.py PVMMU each|end SCENARIO      when to audit

Of a bug of the past both kernels are recorded, with the item that broke it and with the one that mended it
(tests/bugs/check.py). What a scenario expects is another test's business.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def variants(scenario):
    """What `run` is told besides the scenario."""
    items = re.findall(r"^# (?:broken|fixed): (.+)$", scenario.read_text(encoding="utf-8"), re.MULTILINE)
    return [["--item", item] for item in items] or [[]]


def run(command, statuses=(0, 1)):
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode not in statuses:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}{done.stdout}")
    return done.stdout


def wrong_in(pvmmu, recording, when):
    """What of a recording is not as it was, as sentences."""
    report = json.loads(run([pvmmu, "replay", "--json", "--audit", when, recording]))
    differ = sum(report[kind] for kind in ("results_differ", "frames_differ", "table_entries_differ"))
    wrong = report["first_differences"] if differ != 0 else []
    if report["calls"] == 0:
        wrong.append("it has no calls")
    if "torn" in report:
        wrong.append(f"it is torn: {report['torn']}")
    if report["audit"]["violation"]:
        wrong.append(f"it does not add up: {report['audit']['violation']}")
    return wrong


def main(pvmmu, when, scenario):
    found = False
    for options in variants(Path(scenario)):
        with tempfile.TemporaryDirectory() as folder:
            recording = f"{folder}/x.rec"
            run([pvmmu, "run", "--quiet", "--record", recording, scenario, *options])
            for sentence in wrong_in(pvmmu, recording, when):
                print(" ".join([scenario, *options]) + ": " + sentence)
                found = True
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
