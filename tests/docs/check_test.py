"""That check.py finds a page that is not true, and leaves one alone that is."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import check


class Pages(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def is_true(self, *block, words="words", update=False):
        """Whether a page with these words and this ```console block is; self.text is the page afterwards."""
        page = Path(self.directory.name) / "page.md"
        page.write_text("\n".join([words, "```console", *block, "```", "more"]) + "\n", encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()):
            result = check.check("/bin/true", page, update)
        self.text = page.read_text(encoding="utf-8")
        return result

    # What a command prints must stand there: all of it, in its order, stderr included.
    def test_output(self):
        self.assertTrue(self.is_true("$ echo a; echo b >&2; echo c", "a", "b", "c"))
        self.assertFalse(self.is_true("$ echo a; echo b", "a"))
        self.assertFalse(self.is_true("$ echo a; echo b", "b", "a"))
        self.assertFalse(self.is_true("$ true", "a"))

    # A status that is not 0 is part of it, and so is one that the page only claims.
    def test_status(self):
        self.assertTrue(self.is_true("$ echo a; exit 1", "a", "[exit status 1]"))
        self.assertFalse(self.is_true("$ echo a; exit 1", "a"))
        self.assertFalse(self.is_true("$ echo a", "a", "[exit status 1]"))

    # Lines may be left out where the page says so, and nowhere else.
    def test_any_lines(self):
        self.assertTrue(self.is_true("$ seq 9", "1", "…", "9"))
        self.assertTrue(self.is_true("$ seq 2", "1", "…", "2"))
        self.assertFalse(self.is_true("$ seq 9", "1", "…", "8"))
        self.assertFalse(self.is_true("$ seq 9", "2", "…", "9"))

    # What one command writes is there for the next, and the project's folders are for all.
    def test_directory(self):
        self.assertTrue(self.is_true("$ echo a > file", "$ cat file", "a", "$ ls -d examples", "examples"))

    # A link to a file that is not there misleads; others' pages are not for this test.
    def test_links(self):
        self.assertTrue(self.is_true("$ true", words="[it](page.md) [part](page.md#part) [far](https://example.org/x)"))
        self.assertFalse(self.is_true("$ true", words="[it](pages.md)"))

    # The real outputs can be written into the page, behind each command its own.
    def test_update(self):
        self.assertTrue(self.is_true("$ seq 3", "old", "$ echo b", update=True))
        self.assertEqual(self.text, "words\n```console\n$ seq 3\n1\n2\n3\n$ echo b\nb\n```\nmore\n")
        self.assertTrue(self.is_true("$ seq 3", "…", "3", update=True))
        self.assertIn("$ seq 3\n…\n3\n", self.text)


if __name__ == "__main__":
    unittest.main()
