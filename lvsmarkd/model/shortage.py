"""When the host has nothing left to give to us: file descriptors, memory.

It is no bug of ours and says nothing about what was looked for: what could not be opened for
want of a descriptor is there all the same.
"""

import errno

_ADVICE = {
    errno.EMFILE: "lvsmarkd has no file descriptor left: LimitNOFILE= of its unit is too low",
    errno.ENFILE: "this host has no file descriptor left: see fs.file-max and fs.file-nr",
    errno.ENOMEM: "there is no memory left: see MemoryMax= of lvsmarkd's unit, and free(1)",
}


def is_shortage(error: BaseException) -> bool:
    """Whether an error tells of a lack of descriptors or memory, not of what was asked for."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _ADVICE)


def shortage_sentence(error: BaseException) -> str:
    """What is lacking and where to look, in one sentence without its end."""
    number = error.errno if isinstance(error, OSError) else errno.ENOMEM
    return _ADVICE.get(number or 0, str(error))
