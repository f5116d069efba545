"""Asking the running daemon: status, pause, resume and apply, over its Unix socket.

One JSON object per line each way. What answers is in `control_server`.
"""

import json
import socket
from pathlib import Path
from typing import Any

Answer = dict[str, Any]

ANSWER_TIMEOUT = 120.0
"""Seconds: the answer comes at the end of a pass."""


class NotRunningError(Exception):
    """No daemon answers at the socket. ``str()`` is a sentence."""


def ask(path: Path, request: dict[str, Any]) -> Answer:
    """Ask the running daemon. Raises NotRunningError where none answers."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_TIMEOUT)
            line.connect(str(path))
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as reply:
                answer = json.loads(reply.readline() or b"null")
    except PermissionError as error:
        raise NotRunningError(f"only root may talk to the daemon at {path}") from error
    except (OSError, ValueError) as error:
        raise NotRunningError(
            f"no lvsmarkd daemon answers at {path}: see systemctl status lvsmarkd"
        ) from error
    if not isinstance(answer, dict):
        raise NotRunningError(f"the daemon at {path} ended before it answered")
    return answer
