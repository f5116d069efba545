"""Rich rules as people type them, and what the real firewalld made of each: spellings.txt."""

from pathlib import Path


def _read() -> list[tuple[str, str | None]]:
    """What was typed and what is listed then; None where firewalld refused it."""
    found: list[tuple[str, str | None]] = []
    typed = ""
    for line in Path(__file__).with_suffix(".txt").read_text().splitlines():
        word, _, text = line.partition(":")
        if word == "typed":
            typed = text.removeprefix("  ")
        elif word == "listed":
            found.append((typed, text.removeprefix(" ")))
        elif line == "refused":
            found.append((typed, None))
    return found


SPELLINGS = _read()
