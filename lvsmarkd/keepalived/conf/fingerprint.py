"""Whether anything that a reading rests on has changed since."""

from lvsmarkd.keepalived.conf.globbing import matches_of
from lvsmarkd.kernel.files import file_stamp
from lvsmarkd.model.keepalived import Reading


def fingerprint(reading: Reading) -> object:
    """A value that compares equal as long as the files of ``reading`` have not changed.

    It looks at the files as they are now: status of each, and matches of each include. To
    miss no change, take it *before* reading anew and keep it with the new reading; a change
    in between then shows the next time.
    """
    return (
        tuple(file_stamp(file) for file in reading.files),
        tuple(tuple(matches_of(lookup).names) for lookup in reading.lookups),
    )


def changed_since(reading: Reading, when: int) -> bool:
    """Whether a file of ``reading`` was changed at, or after, a time (ns since the epoch)."""
    seen = (file_stamp(file) for file in reading.files)
    return any(status is not None and max(status[3:]) >= when for status in seen)
