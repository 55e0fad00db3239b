"""Who may include whom. The layers of README's map, as a table: the first row whose pattern matches a file judges it.

A row allows project headers by prefix and libraries by name; the standard library is allowed everywhere. What is not
allowed is forbidden.
"""

import re
from pathlib import Path

import project

PROTOBUF = "google/protobuf"
ASIO = "boost"
POSIX = "posix"

# pattern of the file, project headers it may include, libraries it may include
LAYERS = [
    (r"proto/abi/", r"proto/abi/", ()),
    (r"proto/framing\.", r"proto/(abi/|framing\.h)", ()),
    (r"proto/codec", r"proto/abi/|proto/codec\w*\.h|wire\.pb\.h", (PROTOBUF,)),
    # Audit judges the state, so it knows nothing of the code that makes the state.
    (r"hypervisor-model/audit", r"proto/abi/|hypervisor-model/(machine/|domain\.h|audit\w*\.h)", ("fmt",)),
    # The hardware; all that it knows of the code above it is the list of domains.
    (r"hypervisor-model/machine/", r"proto/abi/|hypervisor-model/(machine/|domain\.h)", ("fmt", POSIX)),
    (r"hypervisor-model/server", r"proto/(abi/|codec\.h|framing\.h)|hypervisor-model/|wire\.pb\.h",
     ("fmt", ASIO, PROTOBUF, POSIX)),
    (r"hypervisor-model/", r"proto/abi/|hypervisor-model/(?!server)", ("fmt",)),
    (r"guest-pv/channel_client",
     r"proto/(abi/|codec\.h|framing\.h)|guest-pv/(hypercalls|channel_client)\.h|wire\.pb\.h",
     ("fmt", ASIO, PROTOBUF, POSIX)),
    (r"guest-pv/xen/", r"proto/abi/|guest-pv/(?!channel_client\.h)", ("fmt",)),
    # kernel.cpp puts a kernel together; the rest of the mm knows a backend by pv_mmu_ops.h alone.
    (r"guest-pv/kernel\.cpp", r"proto/abi/|guest-pv/(?!channel_client\.h)", ("fmt",)),
    (r"guest-pv/", r"proto/abi/|guest-pv/(?!channel_client\.h|xen/)", ("fmt",)),
    # The lab hands programs to its probe, which runs on the real Xen; what both say is written beside the probe.
    (r"tools/lab/", r"(proto|hypervisor-model|tools)/|tests/conformance/probe/", ("fmt", POSIX)),
    (r"tools/conform/", r"(proto|hypervisor-model|tools)/|tests/conformance/probe/|[a-z]+\.pb\.h",
     ("fmt", PROTOBUF, "CLI", POSIX)),
    (r"tools/", r"(proto|hypervisor-model|guest-pv|tools)/|[a-z]+\.pb\.h", ("fmt", ASIO, PROTOBUF, "CLI", POSIX)),
    (r"tests/", r"", ("fmt", ASIO, PROTOBUF, "CLI", POSIX, "gtest", "gmock", "benchmark")),
]

INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def library(header):
    """The library that a <header> belongs to, or None for the standard library."""
    for name in (PROTOBUF, ASIO, "fmt", "CLI", "gtest", "gmock", "benchmark"):
        if header.startswith(name + "/"):
            return name
    return POSIX if header.endswith(".h") else None


def check_line(root, path, layer, line):
    pattern, headers, libraries = layer
    match = INCLUDE.match(line)
    if not match:
        return None
    ours, theirs = match.groups()
    if theirs:
        name = library(theirs)
        return None if name is None or name in libraries else f"<{theirs}> is not for {pattern}"
    if not ours.endswith(".pb.h") and not (Path(root) / ours).is_file():
        return f'"{ours}": no such path from the root of the project'
    return None if re.match(headers, ours) else f'"{ours}" is not for {pattern}'


def check(root):
    for path in project.files(root):
        layer = next((layer for layer in LAYERS if re.match(layer[0], str(path))), None)
        if layer is None:
            yield f"{path}: belongs to no layer"
            continue
        for number, line in enumerate(project.lines(root, path), 1):
            error = check_line(root, path, layer, line)
            if error:
                yield f"{path}:{number}: {error}"


if __name__ == "__main__":
    project.main(check)
