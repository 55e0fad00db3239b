"""Files fit the head, nothing is left for later, and no file names a place of one machine."""

import re

import project

MAX_LINES = 400
TEXT = (".h", ".cpp", ".proto", ".textproto", ".txt", ".cmake", ".py", ".sh", ".md", ".json")

# Where a path may begin: what every system has, what none has, and the project's folders, which follow some root.
ANYWHERE = "|".join(("usr", "dev", "proc", "sys", "etc", "bin", "nonexistent", "nowhere", "examples") + project.FOLDERS)

FORBIDDEN = [
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "left for later"),
    (re.compile(rf"""(?:^|[\s"'=])/(?!(?:{ANYWHERE})/)\w+/\w"""), "a path of one machine"),
    (re.compile(r"\t"), "a tab"),
    (re.compile(r"\s$"), "a blank at the end of a line"),
]


def check(root):
    for path in project.files(root, TEXT, project.FOLDERS + ("examples",)):
        if path.parts[:2] == ("tests", "rules"):
            continue  # This file and its tests spell the words out.
        content = project.lines(root, path)
        if path.suffix in project.CPP and len(content) > MAX_LINES:
            yield f"{path}: {len(content)} lines, at most {MAX_LINES} are allowed"
        if path.suffix == ".h" and "#pragma once" not in content:
            yield f"{path}: no #pragma once"
        for number, line in enumerate(content, 1):
            for pattern, what in FORBIDDEN:
                if pattern.search(line):
                    yield f"{path}:{number}: {what}: {line.strip()}"


if __name__ == "__main__":
    project.main(check)
