"""Any bytes as keepalived.conf, led by the coverage of the reader (atheris, libFuzzer).

``python -m tests.fuzz.bytes [libFuzzer's options]``: what is looked for are exceptions, and
readings that take too long or too much memory. What led to new coverage is kept in ``.fuzz/``
for the next run. `make fuzz-bytes` installs atheris and runs it; nothing else needs it.
"""

import sys
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lvsmarkd"]):
    from lvsmarkd.keepalived import is_current, read
    from lvsmarkd.keepalived.conf import bounds

from lvsmarkd.model.service import MAX_MARK
from tests.fuzz.vocabulary import CONFIG_ID
from tests.keepalived.cases import CASES, MAIN

_SECONDS = 30
"""After which one reading counts as a hang."""

_EXPANDED = 50_000
"""Characters that one input expands to: many inputs are worth more than the end of a loop."""

_INCLUDED = "a.conf"
_BOUNDARY = b"\n---\n"
"""Parts the main file from the one that it may include."""


def main() -> None:
    """Run until libFuzzer ends it, and the process with it."""
    place = Path.cwd() / ".fuzz"
    corpus = place / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(CASES):
        parts = [case.text, *case.files.values()]
        (corpus / f"case{number}").write_bytes(_BOUNDARY.join(part.encode() for part in parts))
    # What a few lines multiply into is not what is looked for here.
    bounds.MAX_EXPANDED = _EXPANDED
    conf = place / "read" / MAIN
    conf.parent.mkdir(exist_ok=True)
    options = [f"-timeout={_SECONDS}", "-max_len=8192", f"-artifact_prefix={place}/"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[1:], str(corpus)], partial(_read, conf))
    atheris.Fuzz()


def _read(conf: Path, data: bytes) -> None:
    text, _, included = data.partition(_BOUNDARY)
    # Of absolute and parent names, the machine's own files would be read.
    conf.write_bytes(text.replace(b"/", b"_"))
    (conf.parent / _INCLUDED).write_bytes(included.replace(b"/", b"_"))
    reading = read(conf, CONFIG_ID)
    assert is_current(reading)
    assert all(0 < service.key.mark <= MAX_MARK for service in reading.services)
    for problem in reading.problems:
        str(problem).encode()


if __name__ == "__main__":
    main()
