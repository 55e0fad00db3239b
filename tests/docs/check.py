"""Holds what pages say that commands print against what they print.

Usage: check.py [--update] PVMMU PAGE…

A page is Markdown; its ```console blocks are checked:

    ```console
    $ build/pvmmu run examples/double-pin.textproto
    …
      [a] mfn 0x23a already pinned
    [exit status 1]
    ```

A line `$ COMMAND` is run by bash, where `build/pvmmu` is the binary and the project's folders are to be found; what
commands write stays there for the later ones of the page. The lines behind it are its output, stdout and stderr as they
come. A line `…` stands for any number of lines, none included. The exit status is 0, or said in the last line.
Links to other files of the project must lead somewhere.

With --update the outputs are written into the page, but for those with `…` that fit as they are.
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("examples", "proto", "tests")
SECONDS_A_COMMAND = 120
ANY_LINES = "…"
LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")  # to a file: no scheme
FENCE = re.compile(r"\s*```(\w*)\s*$")


@dataclass
class Command:
    """One command of a page and what the page says that it prints: lines [begin, end) of the page."""

    text: str
    begin: int
    end: int


def commands(lines):
    """The commands of a page, in their order."""
    found, language = [], None
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if fence:
            language = fence.group(1) if language is None else None
        elif language == "console" and line.startswith("$ "):
            found.append(Command(line[2:], number + 1, number + 1))
        elif language == "console":
            if not found or found[-1].end != number:
                raise SystemExit(f"line {number + 1}: a ```console block begins with a line `$ COMMAND`")
            found[-1].end = number + 1
    return found


def scratch_directory(pvmmu):
    """Where a page's commands run."""
    scratch = tempfile.TemporaryDirectory(prefix="pvmmu-docs-")
    for folder in FOLDERS:
        os.symlink(ROOT / folder, Path(scratch.name) / folder)
    os.symlink(Path(pvmmu).resolve().parent, Path(scratch.name) / "build")
    return scratch


def output_of(command, directory):
    """All that it prints, as lines, with the exit status where that is not 0."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        run = subprocess.run(["bash", "-c", command], cwd=directory, env=environment, text=True, errors="replace",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=SECONDS_A_COMMAND, check=False)
    except subprocess.TimeoutExpired:
        return [f"[no end within {SECONDS_A_COMMAND} seconds]"]
    status = [f"[exit status {run.returncode}]"] if run.returncode else []
    return [line.rstrip() for line in run.stdout.splitlines()] + status


def fits(expected, found):
    """Whether the output is as expected, where `…` stands for any lines."""
    pattern = "".join("(?:.*\n)*?" if line.strip() == ANY_LINES else re.escape(line) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(line + "\n" for line in found)) is not None


def complain(page, command, expected, found):
    print(f"{page}:{command.begin}: $ {command.text}")
    for line in difflib.unified_diff(expected, found, "the page", "the command", lineterm=""):
        print(f"  {line}")


def links_lead_somewhere(page, lines):
    dead = [(number, path) for number, line in enumerate(lines, 1) for path, _ in LINK.findall(line)
            if not (page.parent / path).exists()]
    for number, path in dead:
        print(f"{page}:{number}: no such file: {path}")
    return not dead


def check(pvmmu, page, update):
    """Whether a page is true. With `update` its outputs are made so."""
    lines = page.read_text(encoding="utf-8").splitlines()
    links_true = links_lead_somewhere(page, lines)
    true = True
    with scratch_directory(pvmmu) as directory:
        moved = 0
        for command in commands(lines):
            begin, end = command.begin + moved, command.end + moved
            expected, found = lines[begin:end], output_of(command.text, directory)
            if fits(expected, found):
                continue
            true = False
            complain(page, command, expected, found)
            if update:
                lines[begin:end] = found
                moved += len(found) - len(expected)
    if update and not true:
        page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return links_true and (true or update)


def main(arguments):
    update = "--update" in arguments
    pvmmu, *pages = [a for a in arguments if a != "--update"]
    results = [check(pvmmu, Path(page), update) for page in pages]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
