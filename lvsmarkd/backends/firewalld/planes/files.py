"""firewalld's own files, where it cannot be asked, or does not know; a copy of what there is."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

import msgspec

from lvsmarkd.backends.firewalld.names import POLICY, PRIORITY
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.netfilter.errors import FirewallError, Trouble

ETC = Path("/etc/firewalld")
_LOADED = (".", "zones", "policies", "services", "ipsets", "icmptypes", "helpers")
"""Where it has files that it loads."""
ROOM = 1 << 20
"""Bytes: a policy of some thousand rules."""

TOLD = "firewalld.json"
"""What firewalld told: zones, policies and direct rules of both planes. Where lvsmarkd may not read
firewalld's files, ``files`` in it says why there is no copy of them."""
FILES = "firewalld.tar"
"""firewalld's own files: unpacked in the directory that they came from, and loaded by
``firewall-cmd --reload``, they bring the permanent configuration back."""


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
    if policy_file(etc).exists():
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


def policy_file(etc: Path = ETC) -> Path:
    """Where firewalld keeps our policy."""
    return etc / "policies" / f"{POLICY}.xml"


def broken_policy(etc: Path = ETC) -> str:
    """What is wrong with the file of our policy, as a clause that names it; empty where nothing is
    known to be.

    firewalld goes on with what it read before, and lists that: its next reload fails over the
    file, and its next start falls back to the stock configuration (1.3.3 and 2.3, measured).
    """
    path = policy_file(etc)
    wrong = _wrong(path)
    return f"its file {path} is broken ({wrong})" if wrong else ""


def broken_files(etc: Path = ETC) -> tuple[str, ...]:
    """The files of firewalld's configuration over which it stumbles, each with what is wrong with
    it, as far as its form tells.
    """
    paths = [path for place in _LOADED for path in sorted((etc / place).glob("*.xml"))]
    return tuple(f"{path} ({wrong})" for path in paths if (wrong := _wrong(path)))


def _wrong(path: Path) -> str:
    """What is wrong with the form of a file; empty where nothing is known to be."""
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
        return str(error)
    name, attributes = root[0]
    if path.parent.name == "policies" and (name != "policy" or "target" not in attributes):
        return "it is no policy with a target"
    return ""


def worth_keeping(runtime: Listing, permanent: Listing, etc: Path = ETC) -> dict[str, bytes]:
    """The contents of FILES, if they may be read, and of TOLD. Raises FirewallError (GONE)."""
    told: dict[str, object] = {
        str(listing.plane): {k: v for k, v in msgspec.to_builtins(listing).items() if k != "plane"}
        for listing in (runtime, permanent)
    }
    contents = {}
    match _tar(etc):
        case bytes() as files:
            contents[FILES] = files
        case str() as reason:
            told["files"] = reason
    text = json.dumps(told, indent=1, ensure_ascii=False)
    contents[TOLD] = text.encode(errors="surrogateescape")
    return contents


def has_room(etc: Path = ETC) -> bool:
    """Whether the disk with firewalld's files has room for one more."""
    try:
        disk = os.statvfs(etc / "policies")
    except OSError:
        return True  # what cannot be seen, firewalld will tell
    return disk.f_bavail * disk.f_frsize >= ROOM


def _tar(etc: Path) -> bytes | str:
    """Firewalld's directory as a whole in a tar, or why there is none: a part of it, unpacked some
    day, would pass for all of it. Raises FirewallError (GONE).
    """
    import tarfile  # noqa: PLC0415 - once in a director's life

    content = io.BytesIO()
    try:
        with tarfile.open(fileobj=content, mode="w") as tar:
            tar.add(etc, arcname=".")
    except FileNotFoundError:
        return f"{etc} is not there, or changed while it was saved"
    except PermissionError as error:
        return f"not saved, since lvsmarkd may not read all of it: {error}"
    except (OSError, tarfile.TarError) as error:
        raise FirewallError(
            Trouble.GONE,
            f"firewalld's files could not be saved ({error}), and nothing is written before"
            " they are",
        ) from error
    return content.getvalue()
