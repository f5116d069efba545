"""Runs firewall-cmd again and again, each time in a fresh child of its own.

The Python that firewall-cmd names runs this (see firewall_cmd.py). It compiles the script and
imports what the script imports, once; a child then has only the script's own work to do.
Arguments: the script, and the descriptor of a socket. Each message on it is one call, with three
descriptors: where to print, where to complain, and where to say first who runs, then how it ended.
"""

import ast
import json
import os
import signal
import socket
import sys
from pathlib import Path
from types import CodeType
from typing import Any

_MOST = 1 << 20


def serve(script: str, calls: socket.socket) -> None:
    """Until nobody is there to call any more."""
    tree = ast.parse(Path(script).read_bytes())
    imports: list[ast.stmt] = [
        each for each in tree.body if isinstance(each, (ast.Import, ast.ImportFrom))
    ]
    exec(compile(ast.Module(imports, []), script, "exec"), {})  # noqa: S102 - the script's own
    code = compile(tree, script, "exec")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        message, descriptors, _, _ = socket.recv_fds(calls, _MOST, 3)
        if not message:
            return
        if os.fork() == 0:
            _be(code, script, json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _be(code: CodeType, script: str, call: dict[str, Any], descriptors: list[int]) -> None:
    """The child: be the script that was called, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output, complaint, end = descriptors
    os.write(end, b"%d\n" % os.getpid())
    os.dup2(output, 1)
    os.dup2(complaint, 2)
    os.environ.clear()
    os.environ.update(call["environment"])
    sys.argv = [script, *call["arguments"]]
    status = 0
    try:
        exec(code, {"__name__": "__main__", "__file__": script})  # noqa: S102 - likewise
    except SystemExit as done:
        status = done.code if isinstance(done.code, int) else int(done.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(end, b"%d\n" % status)
    os._exit(0)


if __name__ == "__main__":
    # Where this file is, the script would not look for what it imports.
    sys.path[:] = [place for place in sys.path if place != str(Path(__file__).parent)]
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
