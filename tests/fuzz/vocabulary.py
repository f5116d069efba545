"""The words of generated configurations: marks, addresses, names, in every spelling."""

from random import Random

CONFIG_ID = "director1"
NAMES = ("M", "A", "B", "_X", "BLK")
GROUPS = ("G", "H", "fwmark")
FILES = (
    *("a.conf", "b.conf", "sub/a.conf", "sub/b.conf", "sub/.hidden", "conf.d/1.conf"),
    *("conf.d/2.conf", "conf.d/.3.conf", "x.d", "{a}.conf", "sub/deep/c"),
)

_ODD_NUMBERS = (
    *("0{n}", "+{n}", '"{n}"', '" {n} "', "{n}x", "{n}-25", "{n}/0xff", "0x{n}", "web", "'{n}'"),
    *("0", "-3", "4294967295", "4294967296", "9" * 40, str(-(2**64 - 3)), "{n}#4", "{n}!4"),
    *("{n}\\#4", "{n} \\", "{n},{n}", "\u00a0{n}", "{n} inet", "{n} inet6", "{n} 4", '{n}"4"'),
    *('{n} "', "{n}${{_HASH}}4", "{n}${{_BANG}}4", "18446744073709551615", "-18446744073709551615"),
    *("4294967296000", "-0", "--5", "+-5", "\t{n}", "${{_PWD}}", "{n}\\", "\x0b{n}", "{n}\x0c"),
)
_USES = ("${M}", "$M", "${A}", "$A", "${B}1", "${_X}", "$_X", "${NONE}", "$BLK", "${M }", "${A 1}")

_V4 = ("192.0.2.1", "192.0.2.2", "198.51.100.7")
_V6 = ("2001:db8::7", "::1", "2001:db8::8")
_ODD_ADDRESSES = (
    *("192.0.2.300", "www.example.org", "192.0.2.1/24", "192.0.2.1-9", "::ffff:192.0.2.1", "1.2.3"),
    *("2001:db8::7/64", "192.0.2.01", "[::1]", "192.0.2.1:80", "fe80::1%lo", ":", "-", "/"),
)
_PORTS = ("80", "443", "0", "000", "80abc", "70000", "", "-1", "+80", "65535", "65536", "$M", "x")
_ENTRIES = (
    *("192.0.2.1", "192.0.2.0/24", "192.0.2.1/24", "192.0.2.1-9", "192.0.2.9-3", "192.0.2.1-300"),
    *("192.0.2.1-192.0.2.9", "192.0.2.9-192.0.2.1", "2001:db8::1-ff", "2001:db8::/64", "::1/0"),
    *("2001:db8::1-2001:db8::9", "2001:db8::1/64", "192.0.2.1-::1", "192.0.2.1/0", "192.0.2.1/33"),
    *("192.0.2.4-4", "192.0.2.4-4x", "192.0.2.4-", "192.0.2.0/24x", "192.0.2.0/ 24", "::1-2"),
    *("2001:db8::1-0x9", "2001:db8::ffff-1", "192.0.2.1/032", "192.0.2.1-010", "www.example.org"),
)


def mark(chance: Random) -> str:
    """What may stand after ``fwmark``."""
    number = str(chance.choice((1, 2, 3, 5, 8, 21, 22)))
    kind = chance.random()
    if kind < 0.70:
        return number
    if kind < 0.85:
        return chance.choice(_USES)
    return chance.choice(_ODD_NUMBERS).format(n=number)


def address(chance: Random) -> str:
    """A real server's, mostly valid."""
    kind = chance.random()
    if kind < 0.55:
        return chance.choice(_V4)
    return chance.choice(_V6 if kind < 0.88 else _ODD_ADDRESSES)


def port(chance: Random) -> str:
    """A port, or none, mostly 80."""
    return "80" if chance.random() < 0.75 else chance.choice(_PORTS)


def entry_address(chance: Random) -> str:
    """An address, a range or a prefix of a group."""
    return chance.choice(_ENTRIES)


def condition(chance: Random) -> str:
    """An ``@id``, mostly one that holds."""
    if chance.random() < 0.6:
        return chance.choice((f"@{CONFIG_ID} ", "@^other ", f"@{CONFIG_ID}\t", "@^ "))
    return chance.choice(
        (f"@^{CONFIG_ID} ", "@other ", f"@{CONFIG_ID}", "@ ", "@", "@^", f"@{CONFIG_ID}x ", "@@a ")
    )
