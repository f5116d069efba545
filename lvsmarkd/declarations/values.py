"""The values of a declaration, the same in TOML and in annotations.

Each function takes what was written and gives the value in its normal form, or raises
RefusalError.
"""

import re
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network

from lvsmarkd.model.protocols import TRANSPORTS
from lvsmarkd.model.qualifiers import kinds
from lvsmarkd.model.refusal import RefusalError
from lvsmarkd.model.service import MAX_MARK, Address, Network

MARK = f"a mark from 1 to {MAX_MARK}"
TARGET = "an IPv4 or IPv6 address, a prefix as 192.0.2.0/24, or the name of a vrrp_instance"


def options() -> tuple[str, ...]:
    """What may stand in an annotation after its packets. The qualifiers stand as the manual has
    them, which is backwards from how packets are printed.
    """
    return ("accept", *(kind.keyword for kind in reversed(kinds())))


def reserved() -> frozenset[str]:
    """Words of the annotations: a vrrp_instance of that name could not be told from them."""
    return frozenset({"fwmark", "to", *options(), *TRANSPORTS})


_ADDRESS_LIKE = re.compile(
    r"""[0-9]+\.[0-9]      # an IPv4 address, or what should have been one
      | .*/                # a prefix
      | \[                 # an IPv6 address as in a URL
      | .*:.*:             # an IPv6 address
      | [0-9a-fA-F]*:[0-9a-fA-F]*$""",
    re.VERBOSE | re.DOTALL,
)
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,16}")


def mark(found: object) -> int:
    """A mark: a number. IPVS knows no mark 0: a packet without a mark has it."""
    match found:
        case bool():
            raise RefusalError(found, MARK)
        case int() if 1 <= found <= MAX_MARK:
            return found
        case 0:
            raise RefusalError(found, MARK, "0 is what a packet without a mark has")
        case str() if number := _number(found):
            raise RefusalError(found, f"{MARK}, as a plain decimal number", f"write {number}")
        case _:
            raise RefusalError(found, MARK)


def _number(text: str) -> int | None:
    """The mark that a text stands for, if it does."""
    if _HEXADECIMAL.fullmatch(text):
        number = int(text, 16)
    elif text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_MARK)):
        number = int(text)
    else:
        return None
    return number if number <= MAX_MARK else None


def target(text: str) -> Network | str:
    """An address (as a host network), a prefix, or the name of a vrrp_instance."""
    if _ADDRESS_LIKE.match(text):
        return _network(text)
    if not text:
        raise RefusalError(text, TARGET)
    if "," in text or " " in text:
        raise RefusalError(text, TARGET, "write one target per item of a list")
    if text in reserved():
        hint = "a vrrp_instance of that name must be declared by its addresses"
        raise RefusalError(text, TARGET, hint)
    if not text.isprintable() or text.isspace():
        raise RefusalError(text, TARGET)
    return text


def _network(text: str) -> Network:
    if "%" in text:
        hint = "write the address without the scope, and the interface as in-interface"
        raise RefusalError(text, "an address without a scope", hint)
    try:
        address = ip_address(text)
    except ValueError:
        return _prefix(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if mapped is not None:
        raise RefusalError(text, "an address as packets bear it", f"write {mapped}")
    return ip_network(address)


_MAPPED = IPv6Network("::ffff:0:0/96")


def _prefix(text: str) -> Network:
    host, slash, length = text.partition("/")
    try:
        address = ip_address(host)
        network = ip_network(text, strict=False)
    except ValueError:
        raise RefusalError(text, TARGET, _address_hint(text)) from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        hint = "write the IPv4 network"
        raise RefusalError(text, "a prefix of addresses as packets bear them", hint)
    if not slash or not (length.isascii() and length.isdecimal()):
        raise RefusalError(text, "a prefix with its length in bits", f"write {network}")
    if address != network.network_address:
        hint = f"write {network} for the whole network, or {address} for the one address"
        raise RefusalError(text, "a prefix without host bits", hint)
    return network


def _address_hint(text: str) -> str:
    """What was probably meant by something that is nearly an address."""
    if "," in text:
        return "write one target per item of a list"
    if "-" in text:
        return "write a range of addresses as prefixes, or one by one"
    bare, _, port = text.rpartition(":")
    bracketed = bare.startswith("[") and bare.endswith("]")
    address = _address_or_none(bare.strip("[]"))
    if port.isdecimal() and address and bracketed is (address.version == 6):
        return f"write {address}, and the port as tcp/{port} or tcp {port}"
    if address := _address_or_none(text.strip("[]")):
        return f"write {address}"
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}){3}", text):
        plain = ".".join(str(int(part)) for part in text.split("."))
        return f"write {plain}" if _address_or_none(plain) else "each of the four is 0 to 255"
    return "it looks like an address, but is none"


def _address_or_none(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
