"""What the journal makes of lvsmarkd's messages: an explanation of each, and a command that is run
at one."""

import re

import pytest

from lvsmarkd.telemetry.message import Event
from tests.director.director import NAT_FLOWS, Director, nat, vrrp
from tests.director.guest import HERE, Guest, until

_CATALOG = (HERE.parent.parent / "packaging" / "lvsmarkd.catalog").read_text()
_GUIDE = (HERE.parent.parent / "docs" / "install.md").read_text()
_RECIPE = r"```\n(\[Unit\]\nDescription=Tell of rules.*?)```"
# It reads all of its standard input, as ssh and mail do: that must not be the stream of messages.
_TELL = '#!/bin/sh\ncat >/dev/null\necho "told: $1" >> /run/told\n'


def _explained() -> dict[str, str]:
    """Each message's number, and the text about it."""
    parts = re.split(r"(?m)^-- ([0-9a-f]{32})\n", _CATALOG)[1:]
    texts = (re.sub(r"(?m)^#.*\n", "", text) for text in parts[1::2])
    return dict(zip(parts[::2], texts, strict=True))


def test_every_message_is_explained(director: Director, guest: Guest) -> None:
    explained = _explained()
    assert set(explained) == set(Event)
    fields = {name: f"<{name}>" for name in re.findall(r"@(\w+)@", _CATALOG)}
    entries = [{"MESSAGE_ID": str(event), "MESSAGE": "seen", **fields} for event in Event]
    script = "".join(
        "logger --journald <<'END'\n" + "".join(f"{k}={v}\n" for k, v in entry.items()) + "END\n"
        for entry in entries
    )
    guest.sh(f"{script}journalctl --sync")
    # A line is shown as it was said; what explains it is set off before each of its lines.
    shown = guest.sh("journalctl -x --no-pager -t logger -o short").replace("░░", "")
    shown = re.sub(r"\s+", " ", shown)
    for number, text in explained.items():
        subject, _, more = text.partition("\n")
        body = more.partition("\n\n")[2]
        for told in (subject.removeprefix("Subject: "), body):
            wanted = re.sub(r"@(\w+)@", r"<\1>", re.sub(r"\s+", " ", told).strip())
            assert wanted, number
            assert wanted in shown, number


def test_a_command_is_run_at_a_message(director: Director, guest: Guest) -> None:
    """The recipe of docs/install.md, as it is written there."""
    recipe = re.search(_RECIPE, _GUIDE, re.DOTALL)
    assert recipe
    guest.write("/etc/systemd/system/tell.service", recipe[1])
    guest.write("/usr/local/bin/tell-somebody", _TELL)
    director.configure(vrrp() + nat(NAT_FLOWS))
    guest.sh("chmod 755 /usr/local/bin/tell-somebody; systemctl start lvsmarkd tell; sleep 3")
    guest.write("/run/forged", f"MESSAGE_ID={Event.REPAIRED}\nMESSAGE=forged\n")
    guest.sh("logger --journald=/run/forged")
    guest.sh("iptables -t mangle -F LVSMARKD")
    until(lambda: director.said(Event.REPAIRED), "the repair")
    until(lambda: guest.sh("cat /run/told 2>/dev/null || true"), "the command")
    told = guest.sh("cat /run/told").splitlines()
    assert all(line.startswith("told: ") for line in told)
    assert "forged" not in "".join(told)
    assert {line.removeprefix("told: ") for line in told} <= {
        entry["MESSAGE"] for entry in director.journal(Event.REPAIRED)
    }


@pytest.mark.parametrize("kind", ["started", "repaired"])
def test_the_daemons_own_lines_are_explained(director: Director, guest: Guest, kind: str) -> None:
    subject = _explained()[Event[kind.upper()]].partition("\n")[0].removeprefix("Subject: ")
    assert subject in guest.sh("journalctl -x -u lvsmarkd --no-pager")
