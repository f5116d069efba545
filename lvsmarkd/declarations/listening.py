"""Where the metrics are served."""

from ipaddress import ip_address

from lvsmarkd.model.ports import MAX_PORT
from lvsmarkd.model.refusal import RefusalError

LISTEN = 'an address and a port as "127.0.0.1:10965" or "[::1]:10965"'


def listening(text: str) -> tuple[str, int]:
    """The address and the port of ``127.0.0.1:10965`` or ``[::1]:10965``.

    Raises RefusalError. Host names are not looked up: at boot nobody may answer.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not colon or not (port.isascii() and port.isdecimal() and len(port) <= len(str(MAX_PORT))):
        raise RefusalError(text, LISTEN)
    if not 1 <= int(port) <= MAX_PORT:
        raise RefusalError(text, f"a port from 1 to {MAX_PORT}")
    if not host:
        raise RefusalError(text, LISTEN, f'write "0.0.0.0:{port}" for all of IPv4')
    try:
        version = ip_address(bare).version
    except ValueError:
        raise RefusalError(text, LISTEN, "host names are not looked up") from None
    if bracketed is not (version == 6):
        right = f"[{bare}]" if version == 6 else bare
        raise RefusalError(text, LISTEN, f'write "{right}:{port}"')
    return bare, int(port)
