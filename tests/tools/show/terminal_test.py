"""`pvmmu show --interactive` in a real terminal: tmux runs it, this presses keys and reads the screen.

    terminal_test.py PVMMU RECORDING        a recording of at least 100 steps
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE = 60  # seconds until the screen must show what is expected: machines may be busy


class Terminal:
    """A window of tmux in a server of its own."""

    def __init__(self, directory, command, columns=100, rows=30, term="screen-256color"):
        self.environment = {**os.environ, "TMUX_TMPDIR": directory, "LANG": "C.UTF-8"}
        self.environment.pop("TMUX", None)
        self.environment.pop("NO_COLOR", None)
        config = os.path.join(directory, "tmux.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"set -g remain-on-exit on\nset -g default-terminal {term}\n")
        # tmux is not asked for the status: at times it knows none of a program that has ended.
        self.ended = Path(directory) / "ended"
        command = f"{command}; echo $? > '{self.ended}'"
        self.tmux("-f", config, "new-session", "-d", "-x", str(columns), "-y", str(rows), "-s", "t", command)

    def tmux(self, *arguments):
        result = subprocess.run(["tmux", "-u", *arguments], env=self.environment, capture_output=True, text=True,
                                check=False)
        if result.returncode != 0:
            sys.exit(f"tmux {' '.join(arguments)}: {result.stderr}")
        return result.stdout

    def press(self, *keys):
        self.tmux("send-keys", "-t", "t", *keys)

    def type(self, text):
        self.tmux("send-keys", "-t", "t", "-l", text)

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", "-t", "t", *options)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(rows))

    def expect(self, pattern, *options):
        """Waits until the screen shows `pattern`."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen(*options)):
            if time.monotonic() > end:
                sys.exit(f"the screen does not show {pattern!r}:\n{self.screen(*options)}")
            time.sleep(0.05)

    def expect_end(self, status):
        """Waits until the program has ended, with that status."""
        end = time.monotonic() + PATIENCE
        while not (told := self.ended.read_text(encoding="utf-8") if self.ended.exists() else "").endswith("\n"):
            if time.monotonic() > end:
                sys.exit(f"it has not ended:\n{self.screen()}")
            time.sleep(0.05)
        if told != f"{status}\n":
            sys.exit(f"it ended with {told}, {status} is expected:\n{self.screen()}")

    def close(self):
        self.tmux("kill-server")


def look_through(terminal):
    """Forward, back, to a step, tree, why, search, help, and out."""
    terminal.expect(r"── step 1 of \d+ ")
    terminal.press("j", "Down", "l")
    terminal.expect(r"── step 4 of ")
    terminal.press("Up")
    terminal.expect(r"── step 3 of ")
    terminal.type("g")
    terminal.expect(r"\nstep: ?\n")
    terminal.type("95")
    terminal.press("Enter")
    terminal.expect(r"── step 95 of ")
    terminal.press("t")
    terminal.expect(r"── step 95 of \d+: the page tables behind it ")
    terminal.expect(r"L[1-4] mfn 0x")
    terminal.press("t", "w", "0", "Enter")
    terminal.expect(r"mfn 0x0 behind step 95: ")
    terminal.press("w")
    terminal.type("/MMUEXT_OP")
    terminal.press("Enter")
    terminal.expect(r'step with "mmuext_op"')
    terminal.press("?")
    terminal.expect(r"the previous step that touches this frame")
    terminal.press("Escape")
    terminal.press("End", "g", "1", "Enter")
    terminal.expect(r"── step 1 of ")


def resize(terminal):
    """The screen is filled at every size, and what was looked at stays."""
    terminal.press("g", "9", "0", "Enter")
    terminal.expect(r"── step 90 of ")
    for columns, rows in ((140, 45), (40, 10), (10, 3), (100, 30)):
        terminal.resize(columns, rows)
        if rows > 5:
            terminal.expect(r"── step 90 of ")
            terminal.expect(r"\A.*(\n.*){%d}\n\Z" % (rows - 1))
    terminal.expect(r"q quit\n\Z")


def check_colors(terminal):
    terminal.expect("\x1b\\[[0-9;]*3[1-6]m", "-e")


def expect_no_colors(terminal):
    terminal.expect(r"── step 1 of ")
    if re.search("\x1b\\[[0-9;]*3[1-6]m", terminal.screen("-e")):
        sys.exit("colours, although NO_COLOR is set")


def main():
    pvmmu, recording = (os.path.abspath(path) for path in sys.argv[1:])
    if not shutil.which("tmux"):
        sys.exit("tmux is missing; `tools/install-deps.sh tests` installs it")
    command = f"'{pvmmu}' show '{recording}' --interactive"
    cases = [
        (command, "screen-256color", (look_through, resize, check_colors)),
        (f"env NO_COLOR=1 {command}", "screen-256color", (expect_no_colors,)),
        # Keys come from the terminal though stdin is a pipe.
        (f"sh -c \"true | {command}\"", "screen-256color", (look_through,)),
    ]
    for line, term, checks in cases:
        with tempfile.TemporaryDirectory() as directory:
            terminal = Terminal(directory, line, term=term)
            try:
                for check in checks:
                    check(terminal)
                terminal.press("q")
                terminal.expect_end(0)
            finally:
                terminal.close()
    # A terminal that has no cursor to place, and a pipe: both get the plain form, and are told so.
    for line in (f"env TERM=dumb {command} --step 2", f"sh -c \"{command} --step 2 | cat\""):
        with tempfile.TemporaryDirectory() as directory:
            terminal = Terminal(directory, line)
            try:
                # With what tmux has scrolled out to say that the command has ended.
                terminal.expect(r"this is the plain form", "-S", "-")
                terminal.expect(r"\nstep 2\n", "-S", "-")
                terminal.expect_end(0)
            finally:
                terminal.close()


if __name__ == "__main__":
    main()
