"""Reads gcov's JSON and prints the lines of the model's core that were never run, and the share of those that were."""

import json
import re
import sys
from pathlib import Path

CORE = re.compile(r"hypervisor-model/(?!server|snapshot|audit).*")


def main():
    reached = {}
    for document in sys.stdin:
        for file in json.loads(document)["files"]:
            name = re.search(r"hypervisor-model/.*", file["file"])
            if not name or not CORE.match(name.group()):
                continue
            for line in file["lines"]:
                place = (name.group(), line["line_number"])
                reached[place] = reached.get(place, False) or line["count"] > 0
    for (name, number), was in sorted(reached.items()):
        if not was:
            print(f"{name}:{number}: {Path(name).read_text().splitlines()[number - 1].strip()}")
    covered = sum(reached.values())
    print(f"{covered} of {len(reached)} lines, {100 * covered / len(reached):.1f} %")


if __name__ == "__main__":
    main()
