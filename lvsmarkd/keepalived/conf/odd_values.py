"""Values of the checker's keywords that keepalived warns of: nothing that bears on marks, but with
``reload_check_config`` it does not start.

keepalived/check/check_parser.c and check_api.c; lib/parser.c, read_unsigned_func, read_timer,
check_true_false.
"""

import re

from lvsmarkd.keepalived.conf.checker_keywords import REAL_SERVER, VIRTUAL_SERVER
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.unsigned import read_plain

_MOST = 2**32 - 1
_NUMBERS = {
    **dict.fromkeys(("retry", "nb_get_retry", "hysteresis"), (0, _MOST)),
    **dict.fromkeys(("uthreshold", "lthreshold", "quorum"), (0, _MOST)),
    **dict.fromkeys(("connect_port", "bind_port"), (1, 65535)),
    **dict.fromkeys(("min_reply_length", "max_reply_length"), (0, 65535)),
    "quorum": (1, _MOST),
    "weight": (1, 2**31 - 1),
}
_TIMERS = frozenset({"delay_loop", "warmup", "delay_before_retry", "connect_timeout"})
_SWITCHES = frozenset({"alpha", "smtp_alert", "inhibit_on_failure", "log_all_failures"})
_NAMED = frozenset({"virtualhost", "snmp_name", "helo_name", "http_protocol", "user", "payload"})
"""Without a word they say nothing."""
_OF_ONE_SCHEDULER = {
    "hashed": "sh",
    **dict.fromkeys(("sh-port", "sh-fallback"), "sh"),
    **dict.fromkeys(("mh-port", "mh-fallback"), "mh"),
}
_NEEDS = {
    "MISC_CHECK": "misc_path",
    "BFD_CHECK": "name",
    "FILE_CHECK": "track_file",
    "HTTP_GET": "path",
    "SSL_GET": "path",
}
_TIMER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_SWITCH = frozenset({"true", "on", "yes", "false", "off", "no"})


_WITHOUT = {
    VIRTUAL_SERVER: frozenset({"alpha", "inhibit_on_failure"}),
    REAL_SERVER: frozenset({"weight"}),
}
"""Words of whose values nothing is said in a block: they have none, or it is told elsewhere."""


def warned_of(block: str, line: LogicalLine, scheduler: str) -> bool:
    """Whether keepalived warns of a line of a virtual_server, or of what is in it, where that has
    a ``scheduler`` by now.
    """
    word, *values = line.words
    if word in _WITHOUT.get(block, ()):
        return False
    if word in _OF_ONE_SCHEDULER:
        return scheduler != _OF_ONE_SCHEDULER[word]
    if not values:
        return word in _NAMED
    if word in _SWITCHES:
        return values[0] not in _SWITCH
    if word in _TIMERS:
        return _TIMER.fullmatch(values[0]) is None
    if (bounds := _NUMBERS.get(word)) is not None:
        return read_plain(values[0], *bounds) is None
    return False


def lacks(check: str, words: frozenset[str]) -> bool:
    """Whether a check has none of what it needs, so that keepalived warns and leaves it out."""
    return check in _NEEDS and _NEEDS[check] not in words
