"""keepalived.conf and its includes, read as keepalived would."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from lvsmarkd.keepalived.conf.annotations import annotations_of
from lvsmarkd.keepalived.conf.checker import checker_config
from lvsmarkd.keepalived.conf.checker_keywords import CHECKER
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.context import ReadContext
from lvsmarkd.keepalived.conf.dialect import REFERENCE_DIALECT, Dialect
from lvsmarkd.keepalived.conf.globbing import matches_of
from lvsmarkd.keepalived.conf.grammar import Body
from lvsmarkd.keepalived.conf.logical import Item, LogicalLine, Note
from lvsmarkd.keepalived.conf.services import Programmed, programmed
from lvsmarkd.keepalived.conf.stops import KeepalivedStops
from lvsmarkd.keepalived.conf.tls_files import TlsFile, unloadable
from lvsmarkd.keepalived.conf.transcript import Transcript, transcribe
from lvsmarkd.keepalived.conf.vrrp import vrrp_config
from lvsmarkd.keepalived.conf.vrrp_keywords import VRRP
from lvsmarkd.kernel.files import file_stamp
from lvsmarkd.model.keepalived import Completeness, Reading, SeenFiles
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.running import BuildOption

_PROBLEMS = 500
_HEADERS = frozenset(
    name
    for table in (CHECKER, VRRP)
    for name, keyword in table.items()
    if keyword.body in {Body.KEYWORDS, Body.VALUES}
)


def read(
    path: Path,
    config_id: str | None = None,
    *,
    dialect: Dialect = REFERENCE_DIALECT,
    environment: Mapping[str, str] | None = None,
) -> Reading:
    """Read keepalived.conf at ``path``; whatever is there, a reading comes back.

    ``config_id`` is what ``@id`` lines are compared with (``--config-id``); without it, it is
    the host's name up to its first dot, as for keepalived itself (core/main.c). ``environment``
    is keepalived's own.
    """
    # Joined, not normalised: the kernel's `..` after a symbolic link is not that of the text.
    main = str(Path.cwd() / path)
    context = ReadContext(
        default_config_id() if config_id is None else config_id, dialect, environment
    )
    transcript = transcribe(main, context)
    if transcript.refused is not None:
        problem = Problem(
            Origin(main),
            f"it {transcript.refused.reason}: expected keepalived's configuration, a readable file"
            " without execute bits; nothing is taken away until it is one",
            fatal=True,
        )
        seen = transcript.seen
        return Reading(Completeness.UNREADABLE, problems=(problem,), files=(main,), seen=seen)
    return reading_of(main, transcript, dialect)


def is_current(reading: Reading) -> bool:
    """Whether its files, and what its includes match, are as they were before they were read."""
    stamps, matches = reading.seen.stamps, reading.seen.matches
    return all(file_stamp(file) == stamps.get(file) for file in reading.files) and all(
        tuple(matches_of(lookup).names) == matches.get(lookup) for lookup in reading.lookups
    )


def changed_since(reading: Reading, when: int) -> bool:
    """Whether a file of ``reading`` was changed at, or after, a time (ns since the epoch)."""
    seen = (file_stamp(file) for file in reading.files)
    return any(status is not None and max(status[3:]) >= when for status in seen)


def default_config_id() -> str:
    """What keepalived takes where it is given no ``--config-id``."""
    return os.uname().nodename.partition(".")[0]


def reading_of(main: str, transcript: Transcript, dialect: Dialect) -> Reading:
    """What keepalived makes of a transcript; ``main`` is its first file."""
    problems = list(transcript.problems)
    suspicion = _suspicion(main, transcript)
    if suspicion is not None:
        problems.append(suspicion)
    problems += map(_cut_off, transcript.cut_annotations)
    complaints = Complaints(problems)
    parent = transcript.parent
    if transcript.stop is not None:
        # It came to no end: what it would start is not known.
        parent = replace(parent, vrrp_starts=True)
    vrrp = vrrp_config(transcript.items, complaints, parent, dialect)
    stop = transcript.stop
    out = Programmed()
    doubtful = False
    tls_files: tuple[TlsFile, ...] = ()
    stamps = dict(transcript.seen.stamps)
    try:
        config = checker_config(transcript.items, complaints, dialect)
        out = programmed(config, parent.nftables_ipvs, complaints)
        doubtful = config.doubtful or out.doubtful
        tls_files = config.tls_files
        stamps |= {file.path: file_stamp(file.path) for file in tls_files}
        if (out.services or out.reserved) and stop is None and not parent.checker_starts:
            stop = _no_checker(main)
        stop = stop or next(filter(None, map(unloadable, tls_files)), None)
    except KeepalivedStops as stopped:
        stop = stop or stopped.problem
    never_closed = tuple(opened.origin for opened in transcript.open_blocks[:1])
    warned = (*transcript.warned, *parent.warned, *complaints.warned, *never_closed)
    if stop is None and warned and parent.strict is not None:
        stop = _refused(warned[0], parent.strict)
    if BuildOption.LVS in dialect.build.lacks:
        stop = _no_lvs(main)
    if stop is not None:
        # keepalived would not run on this: it programmes nothing, and takes nothing away.
        problems.append(stop)
        out = Programmed()
    # Without its VRRP process keepalived ends; what it would balance is known nevertheless.
    sure = vrrp.starts and not (transcript.partial or doubtful or vrrp.doubtful)
    whole = suspicion is None and stop is None and sure and not transcript.cut_annotations
    return Reading(
        Completeness.WHOLE if whole else Completeness.SUSPECT,
        out.services,
        vrrp.instances,
        annotations_of(_whole_lines(transcript), dialect),
        _told(problems),
        tuple(dict.fromkeys((*transcript.files, *(file.path for file in tls_files)))),
        transcript.lookups,
        out.reserved,
        transcript.parent.namespace,
        out.address_services,
        vrrp.local,
        SeenFiles(stamps, transcript.seen.matches),
    )


def _whole_lines(transcript: Transcript) -> Sequence[Item]:
    """What was read, without an annotation in whose middle a file ends: half a declaration is
    another one.
    """
    if not (cut := frozenset(transcript.cut_annotations)):
        return transcript.items
    return [i for i in transcript.items if not (isinstance(i, Note) and i.origin in cut)]


def _told(problems: list[Problem]) -> tuple[Problem, ...]:
    """What is read twice, by an include or by both processes, is said once; of a file that is
    broken throughout, the first problems tell enough.
    """
    said = tuple(dict.fromkeys(replace(p, message=_printable(p.message)) for p in problems))
    if len(said) <= _PROBLEMS:
        return said
    fatal = [problem for problem in said[_PROBLEMS:] if problem.fatal]
    more = len(said) - _PROBLEMS
    rest = Problem(said[_PROBLEMS].origin, f"{more} more problems from here on are not listed")
    return (*said[:_PROBLEMS], *fatal[:1], rest)


def _printable(text: str) -> str:
    """Bytes that are no text, as escapes."""
    return text.encode(errors="backslashreplace").decode()


def _suspicion(main: str, transcript: Transcript) -> Problem | None:
    """Why the text looks cut off, or emptied, if it does."""
    lines = [item for item in transcript.items if isinstance(item, LogicalLine)]
    if not any(line.words[0] in CHECKER or line.words[0] in VRRP for line in lines):
        if transcript.stop is not None or transcript.partial:
            return None
        return Problem(
            Origin(main),
            "no keyword of keepalived was found, where a configuration was expected: restore "
            "the file, or stop keepalived if none is meant",
        )
    if transcript.open_blocks:
        opened = transcript.open_blocks[0]
        return Problem(
            opened.origin,
            "the block that is opened here is never closed, as if the file were cut off: add "
            "the missing '}'",
        )
    last = lines[-1]
    if last.words[0] in _HEADERS:
        return Problem(
            last.origin,
            "the file ends after this line, where its block was expected, as if it were cut off: "
            "write the block",
        )
    if transcript.broken_off:
        return Problem(
            transcript.broken_off[0],
            "the file ends in the middle of this line, as if it were cut off: end it with a line "
            "break",
        )
    return None


def _cut_off(annotation: Origin) -> Problem:
    return Problem(
        annotation,
        "the file ends in the middle of this annotation, as if it were cut off, so that it is not "
        "followed: end it with a line break",
    )


def _refused(warned: Origin, strict: Origin) -> Problem:
    return Problem(
        warned,
        f"keepalived warns of this line, and with reload_check_config ({strict}) it neither "
        "starts nor reloads then, so that nothing is programmed: look into its log, and correct "
        "the line, or remove reload_check_config",
        fatal=True,
    )


def _no_lvs(main: str) -> Problem:
    return Problem(
        Origin(main),
        "this keepalived was built without LVS, so that nothing is programmed: install one that "
        "has it",
        fatal=True,
    )


def _no_checker(main: str) -> Problem:
    return Problem(
        Origin(main),
        "keepalived does not start its checker, since the blocks before the first virtual_server "
        "are not closed as their braces count, so that nothing is programmed: balance the braces",
        fatal=True,
    )
