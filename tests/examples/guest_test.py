"""The guest in Python, over `pvmmu serve`. Usage: guest_test.py PVMMU"""

import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

GUEST = Path(__file__).resolve().parents[2] / "examples" / "guest.py"
PVMMU = sys.argv.pop(1)


def run_guest(*arguments):
    return subprocess.run(["/usr/bin/python3", "-B", GUEST, *arguments], capture_output=True, text=True, timeout=30)


def listens(path):
    """Whether somebody does: a socket has its name a moment earlier."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


class guest_test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.socket = f"{cls.folder.name}/pvmmu.sock"
        cls.server = subprocess.Popen([PVMMU, "--quiet", "serve", "--unix", cls.socket])
        while not listens(cls.socket):
            time.sleep(0.01)

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()
        cls.folder.cleanup()

    # Each table that can still be written is refused once (-EINVAL, 22); then all four have their types.
    def test_refusals_tell_which_tables_are_writable(self):
        lines = run_guest(self.socket).stdout.splitlines()
        self.assertEqual([line for line in lines if line.startswith("PIN")],
                         ["PIN_L4_TABLE of pfn 10 = -22"] * 4 + ["PIN_L4_TABLE of pfn 10 = 0"])
        self.assertEqual([line for line in lines if line.startswith("pfn")],
                         ["pfn 10: L4, type count 1, pinned", "pfn 11: L3, type count 1", "pfn 12: L2, type count 1",
                          "pfn 13: L1, type count 1", "pfn 14: writable, type count 2"])

    # A mapping counts as long as its table is one.
    def test_a_mapping_counts_until_the_tree_is_unpinned(self):
        lines = run_guest(self.socket).stdout.splitlines()
        self.assertEqual(lines[-2:], ["L1[1] → pfn 15 = 0; pfn 15: writable, type count 2",
                                      "UNPIN_TABLE of pfn 10 = 0; pfn 15: writable, type count 1"])

    # Sessions leave nothing behind: the next one on the same server says the same, byte for byte.
    def test_sessions_are_alike(self):
        first, second = (run_guest(self.socket, "--transcript") for _ in range(2))
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(first.stdout, second.stdout)

    # Without a server there is an error, no hang.
    def test_no_server(self):
        guest = run_guest(self.socket + "-nowhere")
        self.assertNotEqual(guest.returncode, 0)
        self.assertIn("nowhere", guest.stderr)


if __name__ == "__main__":
    unittest.main()
