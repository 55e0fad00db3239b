"""clang-tidy with the checks of .clang-tidy over every source file of a build.

Usage: tidy.py ROOT BUILD
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import project


def check(root, build):
    root = Path(root).resolve()
    sources = f"^{re.escape(str(root))}/({'|'.join(project.FOLDERS)})/.*[.]cpp$"
    command = ["run-clang-tidy-19", "-quiet", f"-j{os.cpu_count()}", "-p", build, sources]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    errors = [line for line in result.stdout.splitlines() if re.search(r": (error|warning): ", line)]
    # A file that clang-tidy cannot read at all is a finding as well.
    return sorted(set(errors)) or result.stderr.splitlines()[-20:] if result.returncode else []


if __name__ == "__main__":
    project.main(lambda root: check(root, sys.argv[2]))
