"""What the rule checks share: the project's files below a root, and how a finding is reported."""

import sys
from pathlib import Path

FOLDERS = ("proto", "hypervisor-model", "guest-pv", "tools", "tests")
CPP = (".h", ".cpp")


def files(root, suffixes=CPP, folders=FOLDERS):
    """Paths relative to root, sorted, of all files of these folders with one of the suffixes."""
    root = Path(root)
    found = (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    return sorted(path.relative_to(root) for path in found if path.suffix in suffixes)


def lines(root, path):
    return (Path(root) / path).read_text(encoding="utf-8").splitlines()


def main(check):
    """Runs check(root) for the root named on the command line; each finding is one line, and any finding fails."""
    findings = list(check(sys.argv[1]))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
