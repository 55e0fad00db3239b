"""The model's trace events, held against those of a real kernel. Usage: traces_test.py PVMMU

Each workload of which there is a trace runs on the model and is recorded; `pvmmu show --format ftrace` makes a trace of the
recording. Its events must be the real kernel's, in number, order and content (traces.py says what is named anew). And what
`show` makes of the recording of a real kernel, another boot of the same, must be what follows from its hypercalls.
"""

import random
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import traces

HERE = Path(__file__).resolve().parent
FIDELITY = HERE.parent
PVMMU = sys.argv.pop(1) if len(sys.argv) > 1 else None
WORKLOADS = sorted(path.name.split(".")[0] for path in (HERE / "6.1").glob("*.trace.gz"))


def real_events(workload):
    return traces.only_the_mms(traces.events(traces.read(HERE / f"6.1/{workload}.trace.gz"), "workload"))


def shown(recording):
    run = subprocess.run([PVMMU, "show", recording, "--format", "ftrace"], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


class traces_test(unittest.TestCase):
    # The model's kernel passes the trace points that Linux passes.
    def test_the_model_traces_as_linux_does(self):
        for workload in WORKLOADS:
            with self.subTest(workload), tempfile.TemporaryDirectory() as folder:
                recording = f"{folder}/x.rec"
                subprocess.run([PVMMU, "--quiet", "run", "--record", recording, FIDELITY / f"{workload}.textproto"],
                               check=True, stdout=subprocess.DEVNULL)
                model, _ = traces.only_the_mms(traces.events(shown(recording), "pvmmu"))
                real, aside = real_events(workload)
                difference, anew = traces.difference(real, model)
                print(f"{workload}: {len(real)} events, {aside} set aside, {anew} frames anew", file=sys.stderr)
                self.assertIsNone(difference)

    # What hypercalls tell of a real kernel's trace points is what it said itself, but for what only the kernel knows.
    def test_a_real_recording_tells_what_follows_from_its_hypercalls(self):
        for workload in WORKLOADS:
            with self.subTest(workload):
                real = traces.that_follow_from_hypercalls(real_events(workload)[0])
                told = traces.from_the_mark(shown(FIDELITY / f"recordings/6.1/{workload}.rec"), "linux")
                told = traces.only_the_mms(told)[0][:len(real)]
                self.assertIsNone(traces.difference(real, told)[0])
                self.assertGreater(len(real), 90)

    # An event that is missing, comes twice or has another digit is found, but for a digit that says nothing.
    def test_corrupted_traces_differ(self):
        seed = random.randrange(1 << 32)
        print(f"seed {seed}", file=sys.stderr)
        chance = random.Random(seed)
        real, _ = real_events("mprotect")
        found = 0
        for _ in range(100):
            at, other = corrupted(real, chance)
            if differs(real, other):
                found += 1
            else:
                self.assertTrue(says_nothing(real, other, at), f"{real[at]} became {other[at]}")
        self.assertGreater(found, 90)


def corrupted(events, chance):
    """Which event was, and all of them with it."""
    copy = list(events)
    at = chance.randrange(len(copy))
    how = chance.choice(["drop", "twice", "digit"])
    if how == "drop":
        del copy[at]
    elif how == "twice":
        copy.insert(at, copy[at])
    else:
        begin = copy[at].index(": ")
        digits = [i for i, letter in enumerate(copy[at]) if i > begin and letter.isdigit()]
        i = chance.choice(digits or [begin])
        copy[at] = f"{copy[at][:i]}{(int(copy[at][i]) + 1) % 10 if digits else '?'}{copy[at][i + 1:]}"
    return at, copy


def differs(real, other):
    """A value that cannot be at all is a difference too, and so is a frame that has a new counterpart."""
    try:
        difference, anew = traces.difference(real, other)
    except SystemExit:
        return True
    return difference is not None or anew != 0


def says_nothing(real, other, at):
    """Whether the digit belongs to what is left out, or to the number of a frame that no other event names."""
    if len(real) != len(other) or traces.names([]).split(real[at])[0] != traces.names([]).split(other[at])[0]:
        return False
    elsewhere = set().union(*(frame_numbers(event) for i, event in enumerate(real) if i != at))
    return not (frame_numbers(real[at]) - frame_numbers(other[at])) & elsewhere


def frame_numbers(event):
    """Of all frames that an event may name, by machine frame, address or entry."""
    values = [int(digits, 16) for digits in re.findall(r"\b[0-9a-f]{4,16}\b", event)]
    return {(value - traces.PAGE_OFFSET if value >= traces.PAGE_OFFSET else value & traces.ADDRESS_MASK) >> 12
            for value in values} - {0}


if __name__ == "__main__":
    unittest.main()
