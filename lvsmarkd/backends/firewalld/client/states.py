"""How firewalld is, in words for the operator, and as the troubles that every backend has."""

from lvsmarkd.backends.firewalld.client.calls import (
    BusError,
    CallFault,
    FirewalldError,
    RunState,
)
from lvsmarkd.netfilter.errors import FirewallError, Trouble

SENTENCES = {
    RunState.RUNNING: "firewalld runs",
    RunState.PANIC: (
        "firewalld is in panic mode: it drops every packet, and takes no changes until"
        " firewall-cmd --panic-off"
    ),
    RunState.STARTING: "firewalld starts and has not loaded its rules yet",
    RunState.HALFWAY: "firewalld's last reload broke off halfway: firewall-cmd --reload",
    RunState.FAILED: (
        "firewalld failed to load its configuration: what it lists is not what packets meet;"
        " see its journal (journalctl -u firewalld), correct it and run firewall-cmd --reload"
    ),
    RunState.STOPPED: "firewalld is not running: systemctl start firewalld",
    RunState.SILENT: (
        "firewalld does not answer: it starts, reloads, is busy with a large change, or hangs"
    ),
    RunState.ELSEWHERE: (
        "firewalld runs in another network namespace than lvsmarkd, so that packets here meet none"
        ' of its rules: run lvsmarkd in that one, or set firewall.backend = "iptables"'
    ),
    RunState.DENIED: (
        "firewalld may not be asked how it is: the bus or polkit does not allow it"
        " (see /usr/share/doc/lvsmarkd/firewalld.md, Authorisation)"
    ),
    RunState.NO_BUS: (
        "there is no system bus to ask firewalld on: systemctl status dbus;"
        " DBUS_SYSTEM_BUS_ADDRESS names another one"
    ),
}
"""What to tell of each state: what is, and what to do where anything is to be done."""
_TRANSIENT = {RunState.STARTING, RunState.SILENT, RunState.PANIC}
ABSENT = frozenset({RunState.STOPPED, RunState.ELSEWHERE})
"""There is none for the packets here; what it had in the kernel may be there still."""


def trouble_of(state: RunState) -> Trouble:
    """Whether it passes by itself."""
    return Trouble.BUSY if state in _TRANSIENT else Trouble.GONE


def not_ready(state: RunState) -> FirewallError | None:
    """The error of a write in this state; None where it may be tried."""
    if state in {RunState.RUNNING, RunState.HALFWAY}:
        return None
    return FirewallError(trouble_of(state), SENTENCES[state])


def failure(error: BusError | FirewalldError, during: str = "") -> FirewallError:
    """An error of the adapter as a backend raises it; ``during`` is what was being done."""
    about = f"{during}: " if during else ""
    match error:
        case BusError(fault=CallFault.TIMEOUT):
            return FirewallError(Trouble.BUSY, f"{about}{error}")
        case BusError():
            return FirewallError(Trouble.GONE, f"{about}{error}")
        case FirewalldError(code="PANIC_MODE"):
            return FirewallError(Trouble.BUSY, f"{about}{SENTENCES[RunState.PANIC]}")
        case _:
            return FirewallError(Trouble.REJECTED, f"{about}firewalld refused: {error}")
