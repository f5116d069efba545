"""From keepalived.conf to the sequence of logical lines that each of its processes reads.

lib/parser.c. keepalived reads in two steps, and so do we: its parent reads the files and
makes one copy of them (`parent_files`), its children read that copy (`child_files`). Both use
the same `line_reader`.
"""

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.keepalived.conf.blocks import process_stream
from lvsmarkd.keepalived.conf.bounds import Bounds
from lvsmarkd.keepalived.conf.child_files import ChildFiles
from lvsmarkd.keepalived.conf.conf_copy import Copy
from lvsmarkd.keepalived.conf.context import ReadContext
from lvsmarkd.keepalived.conf.expansion import Expander
from lvsmarkd.keepalived.conf.files import Skipped, read_file
from lvsmarkd.keepalived.conf.include_stack import IncludeStack, ReadRecord
from lvsmarkd.keepalived.conf.line_reader import LineReader
from lvsmarkd.keepalived.conf.logical import Item, LogicalLine
from lvsmarkd.keepalived.conf.parent import Parent, ParentConfig
from lvsmarkd.keepalived.conf.parent_files import ParentFiles
from lvsmarkd.keepalived.conf.parent_keywords import PARENT
from lvsmarkd.keepalived.conf.stops import KeepalivedStops
from lvsmarkd.kernel.files import file_stamp
from lvsmarkd.model.keepalived import SeenFiles
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.unknown import Unknown

_STOPS = 1_000
"""Lines at which keepalived would stop, behind which we read on."""


class Transcript(Struct, frozen=True):
    """What was read.

    ``refused`` is why the main file was not. ``items`` are what the children read;
    ``parent`` is the parent's view. ``partial`` says that something that exists was
    not read, or cannot be known; ``stop`` is where keepalived would end, if it would.
    """

    refused: Skipped | Unknown | None = None
    items: tuple[Item, ...] = ()
    files: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
    seen: SeenFiles = SeenFiles()
    problems: tuple[Problem, ...] = ()
    open_blocks: tuple[LogicalLine, ...] = ()
    warned: tuple[Origin, ...] = ()
    """Where keepalived warns of lines as such."""
    partial: bool = False
    stop: Problem | None = None
    parent: ParentConfig = field(default_factory=ParentConfig)
    broken_off: tuple[Origin, ...] = ()
    """Where a file ends in the middle of a line that closes no block."""
    cut_annotations: tuple[Origin, ...] = ()
    """Where a file ends in the middle of an annotation."""


def transcribe(path: str, context: ReadContext) -> Transcript:
    """Read an absolute path and all that it includes, as keepalived does when it starts."""
    stamps = {path: file_stamp(path)}
    raw = read_file(path)
    if isinstance(raw, Skipped | Unknown):
        return Transcript(raw, files=(path,), seen=SeenFiles(stamps))
    children = _Children(path, context, ReadRecord([path], stamps))
    record = children.record
    expander = Expander(context, record.problems)
    bounds = Bounds()
    stack = IncludeStack(context.dialect, record, bounds)
    files = ParentFiles(stack, expander)
    reader = LineReader(files, expander, bounds)
    parent = Parent(stack, record.problems)
    stop = None
    try:
        stack.push_main(path, raw)
        process_stream(reader.items(), PARENT, parent, context.dialect)
    except KeepalivedStops as stopped:
        stop = stopped.problem
        _rest(reader, record)
    record.partial = record.partial or expander.doubtful or reader.exceeded
    kept = parent.config()
    read = children.read(files.copy, expander.end())
    return replace(read, stop=stop or read.stop, parent=kept)


def transcribe_copy(copy: Copy, path: str, context: ReadContext) -> Transcript:
    """Read the copy that a running keepalived holds; ``path`` is its main file's."""
    record = ReadRecord([path])
    lines = tuple(copy)
    children = _Children(path, context, record)
    read = children.read(lines)
    if children.count:
        # What the parent ended with, as it read the same lines.
        read = children.read(lines, children.count)
    parent = Parent(IncludeStack(context.dialect, record, Bounds()), record.problems)
    stop = read.stop
    try:
        process_stream(read.items, PARENT, parent, context.dialect)
    except KeepalivedStops as stopped:
        stop = stop or stopped.problem
    kept = parent.config()
    return replace(read, stop=stop, parent=kept, problems=tuple(dict.fromkeys(record.problems)))


class _Children(Struct):
    path: str
    context: ReadContext
    record: ReadRecord
    count: int = 0

    def read(self, copy: Copy, count: int = 0) -> Transcript:
        record, bounds = self.record, Bounds()
        expander = Expander(self.context, record.problems, count)
        stack = IncludeStack(self.context.dialect, record, bounds)
        files = ChildFiles(iter(copy), self.path, stack, expander)
        reader = LineReader(files, expander, bounds)
        items: list[Item] = []
        stop = None
        try:
            items.extend(reader.items())
        except KeepalivedStops as stopped:
            stop = stopped.problem
            items.extend(_rest(reader, record))
        self.count = expander.end()
        return Transcript(
            items=tuple(items),
            # What is read twice says everything twice.
            files=tuple(dict.fromkeys((*record.files, *files.files))),
            lookups=tuple(record.lookups),
            seen=SeenFiles(record.stamps, record.lookups),
            problems=tuple(dict.fromkeys(record.problems)),
            warned=(*record.warned, *expander.warned),
            open_blocks=tuple(reader.open_blocks),
            partial=record.partial or expander.doubtful or reader.exceeded or files.doubtful,
            stop=stop,
            broken_off=tuple(dict.fromkeys(record.broken_off)),
            cut_annotations=tuple(dict.fromkeys(record.cut_annotations)),
        )


def _rest(reader: LineReader, record: ReadRecord) -> list[Item]:
    """What keepalived does not come to, since it stops before: it may hold annotations. What is
    wrong there is said once that is reached.
    """
    said = len(record.problems)
    items: list[Item] = []
    for _ in range(_STOPS):
        try:
            items.extend(reader.items())
            break
        except KeepalivedStops:
            continue
    del record.problems[said:]
    return items
