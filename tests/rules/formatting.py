"""Every C++ file is as clang-format would write it. Put right with: clang-format-19 -i FILE"""

import subprocess
from pathlib import Path

import project


def check(root):
    paths = project.files(root)
    command = ["clang-format-19", "--style=file", "--dry-run", "--Werror", *(str(Path(root) / path) for path in paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stderr.splitlines() if result.returncode else []


if __name__ == "__main__":
    project.main(check)
