"""What firewalld's own files have of ours, where it cannot be asked, or does not know."""

from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

from lvsmarkd.backends.firewalld.backup import ETC
from lvsmarkd.backends.firewalld.own import POLICY, PRIORITY


def kept_for_good(etc: Path = ETC) -> str:
    """How to remove by hand what the next start would bring back; empty where there is nothing.

    A file that may not be read counts as one without: who purges is root.
    """
    commands = list(_commands(etc))
    if not commands:
        return ""
    return (
        "firewalld's permanent configuration still has rules of lvsmarkd's: start it and purge"
        f" again, or, while it does not run: {'; '.join(commands)}"
    )


def _commands(etc: Path) -> Iterator[str]:
    if (etc / "policies" / f"{POLICY}.xml").exists():
        yield f"firewall-offline-cmd --delete-policy={POLICY}"
    for file in sorted((etc / "zones").glob("*.xml")):
        try:
            ours = f'priority="{PRIORITY}"' in file.read_text(errors="replace")
        except OSError:
            continue
        if ours:
            yield (
                f"firewall-offline-cmd --zone={file.stem} --remove-rich-rule='…' for each of"
                f" priority {PRIORITY} that --list-rich-rules shows"
            )


def broken_policy(etc: Path = ETC) -> str:
    """What is wrong with the file of our policy, as a clause that names it; empty where nothing is
    known to be.

    firewalld goes on with what it read before, and lists that: its next reload fails over the
    file, and its next start falls back to the stock configuration (2.3, measured).
    """
    path = etc / "policies" / f"{POLICY}.xml"
    try:
        text = path.read_bytes()
    except OSError:
        return ""  # not there, which firewalld knows of, or not to be read
    root: list[tuple[str, dict[str, str]]] = []
    parser = ParserCreate()
    parser.StartElementHandler = lambda name, found: None if root else root.append((name, found))
    try:
        parser.Parse(text, True)  # noqa: FBT003 - all of it
    except ExpatError as error:
        return f"its file {path} is broken ({error})"
    name, attributes = root[0]
    if name != "policy" or "target" not in attributes:
        return f"its file {path} is broken (it is no policy with a target)"
    return ""
