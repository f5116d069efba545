"""The ``host`` blocks of an SMTP_CHECK, on which some versions of keepalived hang.

keepalived/check/check_smtp.c, smtp_check_end_handler, from 2.3.0 to 2.3.3: each ``host`` becomes
a check of its own that is put into its real server's list twice, so that the list has no end,
unless another check follows it there.
"""

import re

from msgspec import Struct

from lvsmarkd.keepalived.conf.addresses import parse_address
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.service import MAX_MARK

SMTP_CHECK = "SMTP_CHECK"
HOST = "host"
_OUTSIDE_LIST = "FILE_CHECK"
"""The one check that is not in its real server's list."""
_MAX_INTERFACE = 15
_MAX_PORT = 65535
_TIMEOUT = re.compile(r"0*[.]?0*[1-9]")


class MailHosts(Struct):
    """What the checks of a real server come to, line by line."""

    endless: bool = False
    """Whether the list, as it is now, has no end."""
    _hosts: int = 0
    _connects: bool = False

    def opened(self, check: str) -> None:
        """A health check begins, and is put into the list."""
        if check != _OUTSIDE_LIST:
            self.endless = False
        self._connects = False

    def line(self, line: LogicalLine) -> None:
        """A line of an SMTP_CHECK, or of a ``host`` in it: both tell how the former connects."""
        if len(line.words) > 1:
            self._connects = self._connects or _tells(line.words[0], line.words[1])

    def closed(self, block: str) -> None:
        """The end of an SMTP_CHECK, or of a ``host``."""
        if block == HOST:
            self._hosts += 1
        elif block == SMTP_CHECK:
            # The first one becomes the check itself, where that tells nothing.
            self.endless = self._hosts > (not self._connects)
            self._hosts = 0


def _tells(word: str, value: str) -> bool:
    """Whether keepalived takes a line for a way to connect."""
    match word:
        case "connect_ip" | "bindto":
            return parse_address(value) is not None
        case "connect_port" | "bind_port":
            return read_unsigned(value, 1, _MAX_PORT) is not None
        case "bind_if":
            return 0 < len(value) <= _MAX_INTERFACE
        case "fwmark":
            return bool(read_unsigned(value, 0, MAX_MARK))
        case "connect_timeout":
            return _TIMEOUT.match(value) is not None
    return False
