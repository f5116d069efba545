"""The health checks as keepalived lists them, and what its versions do wrong with the list.

keepalived/check/check_api.c (queue_checker, dequeue_new_checker); check_http.c,
http_get_check_end; check_smtp.c, smtp_check_end_handler.
"""

from enum import Enum, auto

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.checker_keywords import CHECKS, REAL_SERVER
from lvsmarkd.keepalived.conf.connecting import Connecting
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.shared_keywords import BFD_INSTANCE

_FETCHING = frozenset({"HTTP_GET", "SSL_GET"})
_SMTP = "SMTP_CHECK"
_HOST = "host"
_FILE = "FILE_CHECK"
"""The one check that is in no list."""
_TAKEN_OUT = frozenset({"MISC_CHECK", "BFD_CHECK"})
"""They take themselves out again unless they have a script, or the name of a bfd_instance."""


class Fault(Enum):
    """What a version makes of a check that is wrong."""

    CRASHES = auto()
    MAY_CRASH = auto()
    """Something that was freed is used."""
    HANGS = auto()


class CheckList(Struct):
    """The checks of all real servers, line by line."""

    dialect: Dialect
    _listed: int = 0
    _stays: bool = True
    _url: bool = False
    _bfds: set[str] = field(default_factory=set)
    _endless: bool = False
    _hosts: int = 0
    _connecting: Connecting = field(default_factory=Connecting)

    def top(self, line: LogicalLine) -> bool:
        """A line at top level; false where it begins a bfd_instance that there is already, and its
        block is skipped (bfd_parser.c, bfd_checker_handler).
        """
        self._endless = False
        if line.words[0] != BFD_INSTANCE:
            return True
        known = line.words[1] in self._bfds
        self._bfds.add(line.words[1])
        return not known

    def line(self, block: str, line: LogicalLine) -> None:
        """A line of a real_server, or of a check in it."""
        word, *values = line.words
        if block == REAL_SERVER and word in CHECKS:
            self._opened(word)
        elif block == "url" and word == "path":
            self._url = True
        elif word == "misc_path":
            self._stays = True
        elif block == "BFD_CHECK" and word == "name":
            self._stays = self._bfds.issuperset(values)
        elif block in {_SMTP, _HOST} and values:
            # Those of a host, too, tell how the check itself connects.
            self._connecting.line(word, values[0])

    def closed(self, block: str) -> Fault | None:
        """The end of a block; what becomes of keepalived with it."""
        fault = None
        if block in _FETCHING and not self._url and self.dialect.frees_checks_twice:
            # It frees the check, then the one before it in the list, and uses both.
            fault = Fault.MAY_CRASH if self._listed else Fault.CRASHES
        elif block in CHECKS and block != _FILE:
            self._listed += self._stays
        if block == _HOST:
            self._hosts += 1
        elif block == _SMTP:
            # The first host becomes the check itself, where that tells nothing. Each other one
            # is put into its real server's list twice, and is then followed by itself, unless
            # another check comes after it.
            self._endless = self._hosts > (not self._connecting.told)
            self._hosts = 0
        return fault

    def real_server_ends(self, *, kept: bool) -> Fault | None:
        """The end of a real server: its list is looked at only where it is kept."""
        endless, self._endless = self._endless and kept, False
        return Fault.HANGS if endless and self.dialect.loops_on_mail_hosts else None

    def _opened(self, check: str) -> None:
        self._stays = check not in _TAKEN_OUT
        self._url = False
        self._connecting = Connecting()
        if check != _FILE:
            self._endless = False
