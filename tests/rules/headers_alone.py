"""Each header compiles by itself, so that the order of includes never matters.

Usage: headers_alone.py ROOT COMPILER [OPTION...]
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import project


def error_of(root, header, compiler):
    command = [*compiler, "-std=c++23", "-fsyntax-only", f"-I{root}", "-include", str(header), "-x", "c++", os.devnull]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{header}: does not compile alone\n{result.stderr}" if result.returncode else None


def check(root, compiler):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda header: error_of(root, header, compiler), project.files(root, (".h",)))
        return [error for error in results if error]


if __name__ == "__main__":
    project.main(lambda root: check(root, sys.argv[2:]))
