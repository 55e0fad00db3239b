"""The kernel's xen:* trace events, of a real kernel and of the model's, made comparable.

A trace is the text of tracefs: `TASK-PID [CPU] FLAGS TIME: EVENT: TEXT`. Task, process, CPU, flags and time are left out.
Compared is what the workload's tasks did from the mark on, the page at 0x100000000000 that each workload writes first: its
entry in the pgd is the first that is set in slot 32. The end is the release of the last table.

Addresses differ from boot to boot and from the model's. An mm is called by its order of appearance. A frame is called by
the frame that stands in its place on the other side, and that must stay so as long as the frame lives: a page table until
it is released. That a page or a pgd is freed has no event, so those may have a new counterpart where they appear anew; that
is counted. What Linux prints of a set_p4d beside the raw value follows from a frame number that is taken for another, and is
left out.
"""

import gzip
import re

LINE = re.compile(r"\s*(?P<task>.+)-(?P<pid>\d+)\s+\[\d+\]\s+(?:\S{5}\s+)?[\d.]+: (?P<event>xen_\w+): ?(?P<text>.*)$")
MARK = re.compile(r"xen_mmu_set_p4d: p4dp [0-9a-f]{13}100 ")

PAGE_OFFSET = 0xffff888000000000
VMEMMAP = 0xffffea0000000000
SIZE_OF_STRUCT_PAGE = 64
ADDRESS_MASK = 0x000ffffffffff000
PRESENT, USER = 1, 4


def read(path):
    opened = gzip.open(path, "rt") if str(path).endswith(".gz") else open(path, encoding="utf-8")
    with opened as lines:
        return lines.read().splitlines()


def from_the_mark(lines, task):
    """`EVENT: TEXT` of each line of a task of that name, from the mark on."""
    found = [f"{match['event']}: {match['text']}" for match in map(LINE.match, lines) if match and match["task"] == task]
    start = next((i for i, event in enumerate(found) if MARK.match(event)), None)
    if start is None:
        raise SystemExit(f"no mark: no pgd's slot 32 is set by a task called {task}")
    return found[start:]


def events(lines, task):
    """The same, but to the release of the last table."""
    found = from_the_mark(lines, task)
    end = max((i for i, event in enumerate(found) if event.startswith("xen_mmu_release_ptpage")), default=len(found))
    return found[:end + 1]


BATCH, ISSUE = "xen_mc_batch: start batch LAZY_CPU", "xen_mc_issue: start batch LAZY_CPU"
EMPTY_FLUSH = "xen_mc_flush: flushing 0 hypercalls, 0 arg bytes, 0 callbacks"
STACK_SWITCH = [re.compile(pattern) for pattern in (
    "xen_mc_batch: ", "xen_mc_entry_alloc: alloc entry 0 ", r"xen_mc_entry: op 3\(stack_switch\)", "xen_mc_issue: ",
    "xen_mc_flush: flushing 1 hypercalls, 0 arg bytes")]


KERNELS_ENTRY = re.compile(r"xen_mmu_set_pte: .* \(raw [0-9a-f]{13}(?P<flags>[0-9a-f]{3})\)")


def set_aside(event):
    """Whether it maps a page for the kernel itself: the stack of a new task."""
    match = KERNELS_ENTRY.match(event)
    return match and int(match["flags"], 16) & (PRESENT | USER) == PRESENT


def only_the_mms(found):
    """Without what the kernel maps for itself, and what a context switch does beside the MMU's part: a new stack, an
    empty batch for segments that did not change, and the flush behind it, where nothing was queued. Returns the rest, and
    how many events were set aside."""
    rest, i = [], 0
    while i < len(found):
        if set_aside(found[i]):
            i += 1
        elif all(pattern.match(event) for pattern, event in zip(STACK_SWITCH, found[i:])) and i + 5 <= len(found):
            i += 5
        elif found[i:i + 3] == [BATCH, ISSUE, EMPTY_FLUSH]:
            i += 3
        elif found[i:i + 2] == [BATCH, ISSUE]:
            i += 2
        else:
            rest.append(found[i])
            i += 1
    return rest, len(found) - len(rest)


ONLY_THE_KERNEL_KNOWS = re.compile(
    "xen_mc_(batch|issue|entry_alloc|extend_args|flush_reason|callback):|xen_mc_flush: flushing 0 |"
    "xen_mmu_ptep_modify_prot_start:|.* unpinned$")
UPPER = re.compile("xen_mmu_set_(pmd|pud|p4d): ")


def that_follow_from_hypercalls(found):
    """Those of a kernel's events that its hypercalls tell of, as far as they tell."""
    rest = []
    for event, behind in zip(found, found[1:] + [""]):
        stored = UPPER.match(event) and not behind.startswith("xen_mc_batch")  # a table that is not pinned
        if stored or ONLY_THE_KERNEL_KNOWS.match(event):
            continue
        event = re.sub(r"\bmm [0-9a-f]{16}", "mm (____ptrval____)", event)
        rest.append(re.sub(r"(modify_prot_commit: .*) addr [0-9a-f]+", r"\1 addr (unknown)", event))
    return rest


TABLE, ROOT, PAGE = "table", "root", "page"


class names:
    """The words of events, with what is named anew taken out: `shape` is what must be equal, `frames` are what must
    have counterparts: pairs of a kind and a frame number."""

    def __init__(self, found):
        self.mms = {}
        self.mfns, self.pfns = {}, {}
        self.first_args = min((int(a, 16) for a in re.findall(r"(?:mmu_update|mmuext_op)\) args \[([0-9a-f]+)",
                                                              "\n".join(found))), default=0)

    def same_frame(self, pfn, mfn, event):
        """A frame has one machine frame, and is the only one that has it, in all events."""
        if self.mfns.setdefault(pfn, mfn) != mfn or self.pfns.setdefault(mfn, pfn) != pfn:
            raise SystemExit(f"frame {pfn:x} or machine frame {mfn:x} had another counterpart before: {event}")

    def mm(self, match):
        return f"mm {self.mms.setdefault(match[1], len(self.mms))}"

    def split(self, event):
        frames = []

        def address(match):
            value = int(match[2], 16)
            if value == 0:
                return match[0]
            frames.append((ROOT if "4d" in match[1] or match[1] == "pgd " else TABLE, (value - PAGE_OFFSET) >> 12))
            return f"{match[1]}F+{value & 0xfff:x}"

        def value(match):
            own, raw = int(match[2], 16), int(match[3], 16)
            if own & PRESENT:
                frames.append((PAGE if match[1] == "pteval" else TABLE, (own & ADDRESS_MASK) >> 12))
                self.same_frame((own & ADDRESS_MASK) >> 12, (raw & ADDRESS_MASK) >> 12, event)
                own, raw = own & ~ADDRESS_MASK, raw & ~ADDRESS_MASK
            if own != raw:
                raise SystemExit(f"value and raw value differ: {event}")
            if not own & PRESENT and own != 0:  # PROT_NONE: the kernel's own number, inverted
                frames.append((PAGE, (~own & ADDRESS_MASK) >> 12))
                own &= ~ADDRESS_MASK
            return f"{match[1]} {own:x}"

        def p4d(match):
            raw = int(match[1], 16)
            if raw & PRESENT:
                frames.append((TABLE, (raw & ADDRESS_MASK) >> 12))
            return f"p4dval {raw & ~ADDRESS_MASK:x}"

        def read_only(match):
            va, value = int(match[1], 16), int(match[2], 16)
            frames.append((TABLE, (va - PAGE_OFFSET) >> 12))
            self.same_frame((va - PAGE_OFFSET) >> 12, (value & ADDRESS_MASK) >> 12, event)
            return f"args [F+{va & 0xfff:x}, {value & ~ADDRESS_MASK:x}"

        def lock(match):
            offset = int(match[1], 16) - VMEMMAP
            frames.append((TABLE, offset // SIZE_OF_STRUCT_PAGE))
            return f"xen_pte_unlock, data F.ptl+{offset % SIZE_OF_STRUCT_PAGE:x}"

        def number(match):
            value = int(match[2], 16)
            if value == 0:
                return match[0]
            if match[1] == "pfn ":
                frames.append((TABLE, value))
                return f"{match[1]}F"
            frames.append((ROOT, value >> 12))
            return f"{match[1]}F+{value & 0xfff:x}"

        shape = re.sub(r"\bmm ([0-9a-f]{16})", self.mm, event)
        shape = re.sub(r"p4dval [0-9a-f]+ \(raw ([0-9a-f]+)\)", p4d, shape)
        shape = re.sub(r"\b((?:user_)?p[tmu4]e?[ed]?d?p |pgd )([0-9a-f]{16})", address, shape)
        shape = re.sub(r"\b(p\w+val) ([0-9a-f]+) \(raw ([0-9a-f]+)\)", value, shape)
        shape = re.sub(r"(?<=update_va_mapping\) )args \[([0-9a-f]+), ([0-9a-f]+)", read_only, shape)
        shape = re.sub(r"(?<=(?:.mmu_update|..mmuext_op)\) )args \[([0-9a-f]+)",
                       lambda match: f"args [args+{int(match[1], 16) - self.first_args}", shape)
        shape = re.sub(r"xen_pte_unlock, data ([0-9a-f]{16})", lock, shape)
        shape = re.sub(r"(set_current_cr3, data |cr3 |pfn )([0-9a-f]+)", number, shape)
        return shape, frames


class counterparts:
    """Which frame of the one side stands for which of the other."""

    def __init__(self):
        self.there, self.back = {}, {}
        self.kind = {}  # of frames here
        self.anew = 0

    def agree(self, kind, here, there):
        if self.there.get(here) == there and self.back.get(there) == here:
            return True
        bound = [frame for frame in (here, self.back.get(there)) if frame in self.there]
        if any(self.kind[frame] == TABLE for frame in bound):
            return False
        self.anew += len(bound) > 0
        self.forget(here, there)
        self.there[here], self.back[there], self.kind[here] = there, here, kind
        return True

    def forget(self, here, there):
        self.back.pop(self.there.pop(here, None), None)
        self.there.pop(self.back.pop(there, None), None)


def difference(real, model):
    """Where the two first differ, as text, or None; and how often a frame got a new counterpart."""
    both = counterparts()
    real_names, model_names = names(real), names(model)
    for number, (here, there) in enumerate(zip(real, model), 1):
        shape, frames = real_names.split(here)
        other_shape, other_frames = model_names.split(there)
        if shape != other_shape:
            return f"event {number}:\n  real:  {here}\n  model: {there}", both.anew
        for (kind, frame), (other_kind, other_frame) in zip(frames, other_frames, strict=True):
            if kind != other_kind or not both.agree(kind, frame, other_frame):
                return f"event {number}: other frames:\n  real:  {here}\n  model: {there}", both.anew
        if shape.startswith("xen_mmu_release_ptpage"):
            both.forget(frames[0][1], other_frames[0][1])
    if len(real) != len(model):
        longer = max(real, model, key=len)
        return (f"{len(real)} events of the real kernel, {len(model)} of the model's; the first of those beyond:\n"
                f"  {longer[min(len(real), len(model))]}"), both.anew
    return None, both.anew
