"""pyroute2's netlink socket without the rest of pyroute2.

Whatever is imported of pyroute2, Python runs the package's ``__init__`` first, and that imports
all there is: 219 modules with those of Python's own (sqlite3 among them), 78 ms and 12 MiB. The
socket needs 42 of them, 19 ms and 3 MiB (measured with 0.9.7). So the package stands there
unexecuted while its socket is imported, and is taken away again: who imports pyroute2 afterwards
gets it whole, with the modules that are there already.
"""

import sys
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING

_PACKAGE = "pyroute2"

if TYPE_CHECKING or _PACKAGE in sys.modules or (_spec := find_spec(_PACKAGE)) is None:
    from pyroute2.netlink.nlsocket import AsyncNetlinkSocket
else:
    sys.modules[_PACKAGE] = module_from_spec(_spec)
    try:
        from pyroute2.netlink.nlsocket import AsyncNetlinkSocket
    finally:
        del sys.modules[_PACKAGE]

__all__ = ["AsyncNetlinkSocket"]
