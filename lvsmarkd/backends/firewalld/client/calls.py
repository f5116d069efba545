"""What is asked of firewalld, and how an answer may fail: no word of any D-Bus library here."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

BUS_NAME = "org.fedoraproject.FirewallD1"
MAIN_PATH = "/org/fedoraproject/FirewallD1"
"""The runtime plane."""
CONFIG_PATH = f"{MAIN_PATH}/config"
"""The permanent plane. Its objects are numbered anew by a reload: ask for them by name."""
CALL_TIMEOUT = 10.0
"""Seconds for one call. firewalld takes one call after the other, so what others have asked of
it is waited for, too: a reload of 1,000 rules takes 0.7 s (measured)."""
HERE_TIMEOUT = 0.3
"""Seconds to learn whether firewalld is there: the bus answers in 0.3 ms (measured)."""
CONNECT_TIMEOUT = 5.0
"""Seconds for a new connection to the bus, which a call waits for besides."""
IN_FLIGHT = 8
"""Calls at once. 1,000 end the connection: the socket is full, and dbus-next does not wait
(measured)."""


class Interface(StrEnum):
    """firewalld's D-Bus interfaces."""

    MAIN = "org.fedoraproject.FirewallD1"
    ZONE = "org.fedoraproject.FirewallD1.zone"
    POLICY = "org.fedoraproject.FirewallD1.policy"
    DIRECT = "org.fedoraproject.FirewallD1.direct"
    IPSET = "org.fedoraproject.FirewallD1.ipset"
    CONFIG = "org.fedoraproject.FirewallD1.config"
    CONFIG_ZONE = "org.fedoraproject.FirewallD1.config.zone"
    CONFIG_POLICY = "org.fedoraproject.FirewallD1.config.policy"
    CONFIG_DIRECT = "org.fedoraproject.FirewallD1.config.direct"
    CONFIG_IPSET = "org.fedoraproject.FirewallD1.config.ipset"
    PROPERTIES = "org.freedesktop.DBus.Properties"


class RunState(StrEnum):
    """How firewalld is. RUNNING and HALFWAY may be written to; these and PANIC can be read."""

    RUNNING = "running"
    PANIC = "panic"
    """It runs and drops every packet; runtime changes are refused (PANIC_MODE)."""
    STARTING = "starting"
    """It owns its name and has not loaded its rules yet (INIT)."""
    HALFWAY = "halfway"
    """Its last reload broke off: it was flushed meanwhile, and could not take back the policy by
    which it drops everything while it reloads (fw.py of 1.3.3: reload, cleanup sets INIT,
    set_policy raises). It knows its configuration; the next reload heals it (measured)."""
    FAILED = "failed"
    """Its last start or reload failed: what is in the kernel is not what it lists."""
    STOPPED = "stopped"
    """Nobody owns its name on the bus."""
    SILENT = "silent"
    """It owns its name and does not answer in time: it starts, reloads, is at a large change,
    or hangs. It has one thread and answers nobody meanwhile; what it calls its state is never
    that it reloads (fw.py of 1.3.3 and 2.5.0).
    """
    ELSEWHERE = "elsewhere"
    """It is on the bus, and in another network namespace than ours: its rules are none of ours."""
    DENIED = "denied"
    """Its state may not even be asked for."""
    NO_BUS = "no bus"
    """There is no system bus to ask it on."""

    @property
    def readable(self) -> bool:
        """Whether what it lists can be read and means something."""
        return self in {RunState.RUNNING, RunState.PANIC, RunState.HALFWAY}


class CallFault(StrEnum):
    """Why no answer of firewalld's came."""

    NO_BUS = "no bus"
    """No connection, or it ended; a call that was under way may have been carried out."""
    NO_OWNER = "no owner"
    """firewalld is not on the bus, or left it during the call."""
    TIMEOUT = "timeout"
    """No answer in time; what firewalld has begun it may still carry out."""
    DENIED = "denied"
    """polkit, or the bus, does not allow the call."""
    CLOSED = "closed"
    """The adapter was closed on our side."""


class FirewalldError(Exception):
    """firewalld's own refusal: ``code`` as NOT_ENABLED, ``detail`` what it adds.

    ``code`` is empty where it gives none (a rule with unbalanced quotes, measured).
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(": ".join(filter(None, (code, detail))))
        self.code = code
        self.detail = detail


class BusError(Exception):
    """No answer of firewalld's; ``str()`` is a sentence. ``action`` is what polkit would have
    to allow, where it is known (org.fedoraproject.FirewallD1.config).
    """

    def __init__(self, fault: CallFault, message: str, action: str = "") -> None:
        super().__init__(message)
        self.fault = fault
        self.action = action


class Request(Struct, frozen=True):
    """One call to be made. Methods and their arguments: see signatures.py."""

    interface: Interface
    method: str
    arguments: tuple[object, ...] = ()
    path: str = MAIN_PATH


class FirewalldClient(Protocol):
    """firewalld, to be asked from one thread or more. Every call blocks and is bounded in time.

    Values are plain: str, int, bool, list, tuple (a structure), dict; settings of zones and
    policies are ``dict[str, object]`` both ways, and a settings key that is not named is left
    as it is.
    """

    def call(
        self,
        interface: Interface,
        method: str,
        *arguments: object,
        path: str = MAIN_PATH,
        timeout: float = CALL_TIMEOUT,
    ) -> object:
        """The answer: None, the value, or a tuple of values.

        Raises FirewalldError where firewalld refuses, BusError where it does not answer, and
        ValueError for a method that signatures.py does not know or arguments that do not fit.
        """

    def calls(
        self, requests: Sequence[Request], *, timeout: float = CALL_TIMEOUT
    ) -> list[object | FirewalldError]:
        """The answers in the order of the requests, of which at most IN_FLIGHT are under way.

        A refusal is an answer like others. Where one gets no answer (``timeout`` is for each),
        nothing more is sent, what is under way is awaited, and its BusError is raised: which
        others were carried out has to be looked up.
        """

    def property(self, name: str, interface: Interface = Interface.MAIN) -> object:
        """A property: ``version``, ``state``. Raises as ``call``."""

    def state(self) -> RunState:
        """How firewalld is now. Raises nothing."""

    def here(self, within: float = HERE_TIMEOUT) -> bool | None:
        """Whether there is one in our network namespace, whatever its state; None where the bus
        does not say ``within`` so many seconds. It is not asked itself, so that one that is busy
        takes no time. Raises nothing.
        """

    def close(self) -> None:
        """End the connection and its thread; calls raise BusError (CLOSED) from then on."""
