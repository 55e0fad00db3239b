"""clang-tidy over what a build compiles: single files, and the groups of files of unity builds.

Usage: tidy.py ROOT BUILD
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import project

# GoogleTest's headers make every check slow, so the tests keep to the rules of the house and to what is worst.
TEST_CHECKS = "-*,bugprone-use-after-move,readability-function-size,readability-identifier-naming"


def run(root, build, files, *options):
    command = ["run-clang-tidy-19", "-quiet", f"-j{os.cpu_count()}", "-p", build, f"-config-file={root}/.clang-tidy",
               *options, files]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    errors = [line for line in result.stdout.splitlines() if re.search(r": (error|warning): ", line)]
    # A file that clang-tidy cannot read at all is a finding as well.
    return errors or result.stderr.splitlines()[-20:] if result.returncode else []


def check(root, build):
    root, build = Path(root).resolve(), Path(build).resolve()
    own = f"{root}/({'|'.join(set(project.FOLDERS) - {'tests'})})/.*\\.cpp|{build}/CMakeFiles/.*\\.cxx"
    tests = f"{root}/tests/.*\\.cpp|{build}/tests/.*\\.cxx"
    return sorted({*run(root, build, f"^({own})$"), *run(root, build, f"^({tests})$", f"-checks={TEST_CHECKS}")})


if __name__ == "__main__":
    project.main(lambda root: check(root, sys.argv[2]))
