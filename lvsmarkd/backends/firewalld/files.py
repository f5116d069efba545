"""What firewalld's own files have of ours, for when it does not run and cannot be asked."""

from collections.abc import Iterator
from pathlib import Path

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
