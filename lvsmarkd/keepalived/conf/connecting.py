"""What the lines of a health check tell of how it connects.

keepalived/check/check_api.c, the handlers of install_checker_common_keywords: the last valid
value counts, and an invalid address takes back the one before it.
"""

import re

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.addresses import MAX_PORT, endpoint
from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.service import MAX_MARK, Family

_MAX_INTERFACE = 15
"""Characters of an interface's name (IFNAMSIZ less the NUL)."""
_TIMEOUT = re.compile(r"0*[.]?0*[1-9]")


class Connecting(Struct):
    """Of one check, line by line."""

    _to: Family | None = None
    _from: Family | None = None
    _others: dict[str, bool] = field(default_factory=dict)

    @property
    def told(self) -> bool:
        """Whether anything was."""
        return bool(self._to or self._from or any(self._others.values()))

    def line(self, word: str, value: str) -> None:
        """A line with its value."""
        match word:
            case "connect_ip":
                self._to = _family(value, beside=self._from)
            case "bindto":
                self._from = _family(value, beside=self._to)
            case "connect_port" | "bind_port" if read_unsigned(value, 1, MAX_PORT):
                self._others[word] = True
            case "bind_if" if len(value) <= _MAX_INTERFACE:
                self._others[word] = bool(value)
            case "fwmark" if (mark := read_unsigned(value, 0, MAX_MARK)) is not None:
                self._others[word] = bool(mark)
            case "connect_timeout" if _TIMEOUT.match(value):
                self._others[word] = True


def _family(address: str, *, beside: Family | None) -> Family | None:
    found = endpoint(address, "")
    return None if found is None or beside not in (None, found.family) else found.family
