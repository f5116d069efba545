"""Health checks of generated real servers: what versions and builds differ in most."""

from random import Random

_EVERY = (
    "retry 3",
    "alpha",
    "warmup 5",
    "delay_loop 6",
    "log_all_failures",
    "retry",
    "colour blue",
)
_CONNECTING = (
    *("connect_ip 192.0.2.1", "connect_ip ::1", "connect_ip x", "connect_port 81", "fwmark 21"),
    *(
        "connect_port 0",
        "connect_port",
        "bindto 192.0.2.1",
        "bind_port 9",
        "bind_if lo",
        "fwmark 0",
    ),
    *("connect_timeout 3", "connect_timeout 0", "connect_timeout 0.5", "fwmark", 'bind_if ""'),
    *("fwmark 0", "bindto y", "bind_port 70000", "connect_timeout x", "connect_ip"),
)
_URL = (
    *("path /", "path /", "path /", "digest 0", "status_code 200", "status_code", "virtualhost a"),
    *("regex x", "regex_no_match", "tls_compliant", "path", "regex_stack", 'path "{"'),
    *("regex", 'regex "x', "regex x\\", "regex it's", "regex_options"),
)
_FETCHING = (
    *("nb_get_retry 3", "virtualhost a", "http_protocol 1.1", "enable_sni", "fast_recovery"),
    *("tls_compliant", "sni_name a", "sni_name", "nb_get_retry"),
)
_OWN = {
    "TCP_CHECK": _CONNECTING,
    "UDP_CHECK": (*_CONNECTING, "payload 00", "require_reply", "min_reply_length 1"),
    "PING_CHECK": _CONNECTING,
    "HTTP_GET": (*_CONNECTING, *_FETCHING),
    "SSL_GET": (*_CONNECTING, *_FETCHING),
    "SMTP_CHECK": (*_CONNECTING, "helo_name a", "helo_name"),
    "DNS_CHECK": (*_CONNECTING, "type A", "name a", "type", "name"),
    "MISC_CHECK": (
        *("misc_path /bin/true", "misc_path /bin/true", "misc_timeout 3", "user root"),
        *('misc_path "/bin/true', "misc_path /bin/it's", "misc_path /bin/x\\", 'misc_path "a" "'),
    ),
    "FILE_CHECK": ("track_file t", "weight 1", "track_file"),
    "BFD_CHECK": ("name b", "alpha", "name"),
    "NO_CHECK": _CONNECTING,
}
_INNER = {
    "HTTP_GET": ("url", _URL),
    "SSL_GET": ("url", _URL),
    "SMTP_CHECK": ("host", (*_CONNECTING, *_EVERY)),
}


def check(chance: Random) -> list[str]:
    """One, mostly well formed, with the blocks that belong into it."""
    name = chance.choice(list(_OWN))
    inside = _some(chance, (*_OWN[name], *_EVERY), (0, 0, 1, 1, 2))
    if name in _INNER:
        word, lines = _INNER[name]
        for _ in range(chance.choice((0, 1, 1, 1, 2))):
            at = chance.randint(0, len(inside))
            opener = word + chance.choice((" {", " {", " {", " {", ' "{"', ""))
            inside[at:at] = [opener, *_some(chance, lines, (0, 1, 1, 2)), "}"]
    opener = name + chance.choice((" {",) * 12 + ("", ' "{"', " x {"))
    return [opener, *inside, "}"]


def _some(chance: Random, lines: tuple[str, ...], numbers: tuple[int, ...]) -> list[str]:
    return [chance.choice(lines) for _ in range(chance.choice(numbers))]
