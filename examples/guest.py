#!/usr/bin/python3
"""A PV guest in Python: it builds a tree of page tables, has it pinned, and learns from refusals.

    examples/guest.py                 against a `build/pvmmu serve` of its own
    examples/guest.py pvmmu.sock      against `pvmmu serve --unix pvmmu.sock`
    examples/guest.py --transcript    shows each message that goes over the channel as well

The channel is described in proto/README.md and proto/wire.proto. Needed are Debian's python3-protobuf and protoc
(protobuf-compiler), which makes Python modules of wire.proto.
"""

import argparse
import re
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

ROOT = Path(__file__).absolute().parent.parent

PAGE = 4096
PRESENT, RW, USER, ACCESSED, DIRTY, NX = 1, 2, 4, 1 << 5, 1 << 6, 1 << 63
MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE = 3, 4
TYPES = ("none", "L1", "L2", "L3", "L4", "seg_desc", "shared", "writable")  # type_info's bits 63:61


def wire_module(folder):
    """wire.proto as a Python module, generated into `folder`."""
    subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", f"--python_out={folder}", "wire.proto"], check=True)
    sys.path.insert(0, folder)
    import wire_pb2
    return wire_pb2


class channel:
    """Requests and replies over a Unix socket. A frame is a size, 32 bits little-endian, and a message."""

    def __init__(self, path, watch=None):
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(path)
        except OSError as error:
            sys.exit(f"guest.py: {path}: {error.strerror}; expected the socket of a `pvmmu serve --unix`")
        self.watch = watch or (lambda direction, message: None)

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError("the hypervisor closed the connection")
            data += part
        return data

    def ask(self, **what):
        """Sends request(what); returns the outcome and the events that came with it and before it."""
        request = wire.request(**what)
        data = request.SerializeToString()
        self.watch("guest →", request)
        self.socket.sendall(struct.pack("<I", len(data)) + data)
        events = []
        while True:
            size, = struct.unpack("<I", self.receive(4))
            reply = wire.reply.FromString(self.receive(size))
            self.watch("guest ←", reply)
            events += reply.events
            kind = reply.WhichOneof("outcome")
            if kind == "error":
                raise RuntimeError(f"{wire.error.error_code.Name(reply.error.code)}: {reply.error.text}")
            if kind:
                return getattr(reply, kind), events


class guest:
    """A domU of 4096 pages, the first of which are mapped, writable, from virt_base on."""

    def __init__(self, chan):
        self.channel = chan
        self.channel.ask(hello=wire.hello_request(protocol_version=1, events=True))
        self.info, _ = self.channel.ask(create_domain=wire.create_domain_request(
            kind=wire.create_domain_request.domU, pages=4096, vcpus=1, virt_base=0xffffffff80000000, kernel_pages=1024,
            vm_assist_writable_pagetables=True))

    def mfn(self, pfn):
        run = next(run for run in self.info.p2m if run.pfn <= pfn < run.pfn + run.frames)
        return run.mfn + pfn - run.pfn

    def pfn(self, mfn):
        run = next(run for run in self.info.p2m if run.mfn <= mfn < run.mfn + run.frames)
        return run.pfn + mfn - run.mfn

    def va(self, pfn):
        return self.info.virt_base + pfn * PAGE

    def call(self, caller, **call):
        """Makes a hypercall; returns its result and the lines that Xen printed."""
        reply, events = self.channel.ask(hypercall=wire.hypercall_request(
            domid=self.info.domid, vcpu=0, caller=caller, call=wire.hypercall(**call)))
        if reply.crashed:
            sys.exit("the domain was crashed")
        return reply.outcome.result, [event.text for event in events if event.kind == wire.event.message]

    def store(self, va, value):
        reply, _ = self.channel.ask(access=wire.access_request(
            domid=self.info.domid, vcpu=0, caller="store", kind=wire.access_request.write, bytes=8, va=va, value=value))
        if reply.fault:
            sys.exit(f"page fault at {reply.cr2:#x}")

    def make_read_only(self, pfn):
        entry = self.mfn(pfn) * PAGE | PRESENT | ACCESSED | NX
        return self.call("make_read_only", update_va_mapping=wire.update_va_mapping_call(va=self.va(pfn), val=entry))

    def mmuext(self, command, pfn):
        operation = wire.mmuext_op_t(cmd=command, arg1=self.mfn(pfn))
        return self.call("mmuext", mmuext_op=wire.mmuext_op_call(uops=[operation], count=1))

    def set_entry(self, table, slot, value):
        update = wire.mmu_update_t(ptr=self.mfn(table) * PAGE + slot * 8, val=value)
        return self.call("set_entry", mmu_update=wire.mmu_update_call(ureqs=[update], count=1))

    def types(self, pfns):
        """What the frame table says of these frames."""
        reply, _ = self.channel.ask(query_frames=wire.query_frames_request(mfns=[self.mfn(pfn) for pfn in pfns]))
        return [frame_type(frame.type_info) for frame in reply.frames]


@dataclass
class frame_type:
    """A frame's type_info: what it is used as, and by how many."""

    type_info: int

    def name(self):
        return TYPES[self.type_info >> 61]

    def __str__(self):
        pinned = ", pinned" if self.type_info >> 59 & 1 else ""
        return f"{self.name()}, type count {self.type_info & (1 << 55) - 1}{pinned}"


def pin(g, tables):
    """Pins the tree of `tables`, its L4 first. A refusal says which frame Xen came to: a table must not be writable."""
    while True:
        result, lines = g.mmuext(MMUEXT_PIN_L4_TABLE, tables[0])
        print(f"PIN_L4_TABLE of pfn {tables[0]} = {result}")
        if result == 0:
            return
        for line in lines:
            print(f"  {line}")
        pfn, state = next((pfn, state) for pfn, state in zip(tables, g.types(tables)) if state.name() == "writable")
        print(f"  refused, for pfn {pfn} is {state}: its mapping becomes read-only = {g.make_read_only(pfn)[0]}")


def session(g):
    print(f"domain {g.info.domid} has {g.info.nr_pages} pages; pfn 10 is mfn {g.mfn(10):#x}")
    tree = [10, 11, 12, 13, 14]  # the pfns of L4, L3, L2 and L1, and of a page
    for table, child in zip(tree, tree[1:]):
        g.store(g.va(table), g.mfn(child) * PAGE | PRESENT | RW | USER | ACCESSED)
    pin(g, tree[:-1])
    for pfn, state in zip(tree, g.types(tree)):
        print(f"pfn {pfn}: {state}")
    entry = g.mfn(15) * PAGE | PRESENT | RW | USER
    print(f"L1[1] → pfn 15 = {g.set_entry(13, 1, entry)[0]}; pfn 15: {g.types([15])[0]}")
    print(f"UNPIN_TABLE of pfn 10 = {g.mmuext(MMUEXT_UNPIN_TABLE, 10)[0]}; pfn 15: {g.types([15])[0]}")


def show_message(direction, message):
    data = message.SerializeToString()
    kind = message.WhichOneof("what" if isinstance(message, wire.request) else "outcome")
    print(f"{direction}  {(struct.pack('<I', len(data)) + data[:20]).hex(' ')}{' …' if len(data) > 20 else ''}")
    events = getattr(message, "events", [])
    for event in events[:3]:
        show_field("events", event)
    if len(events) > 3:
        print(f"    … {len(events) - 3} more events")
    if kind:
        show_field(kind, getattr(message, kind))


def show_field(name, message):
    text = f"{name} {{ {text_format.MessageToString(message, as_one_line=True)} }}".replace("{  }", "{ }")
    text = re.sub(r"\b\d{7,}\b", lambda number: hex(int(number[0])), text)
    print(textwrap.fill(text, 116, initial_indent="    ", subsequent_indent="      "))


def listens(path):
    """Whether somebody does: a socket has its name a moment earlier."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def serve(folder):
    """A hypervisor of our own, and the path of its socket."""
    path = f"{folder}/pvmmu.sock"
    server = subprocess.Popen([ROOT / "build/pvmmu", "--quiet", "serve", "--unix", path])
    while not listens(path) and server.poll() is None:
        time.sleep(0.01)
    return server, path


def main():
    global wire
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket", nargs="?", help="of a pvmmu serve; without it one is started")
    parser.add_argument("--transcript", action="store_true", help="show each message")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wire = wire_module(folder)
        server, path = (None, options.socket) if options.socket else serve(folder)
        try:
            session(guest(channel(path, show_message if options.transcript else None)))
        finally:
            if server:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    main()
