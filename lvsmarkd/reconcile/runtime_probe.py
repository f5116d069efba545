"""What is around keepalived's files: the running process, its copy, kernel IPVS, others' marks."""

import shutil
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.keepalived.process.discovery import find_keepalived
from lvsmarkd.keepalived.process.running_copy import CopyStamp, read_running_copy, stamp_of
from lvsmarkd.keepalived.process.version import installed_build
from lvsmarkd.kernel.files import FileStamp, file_stamp
from lvsmarkd.kernel.ipvs import kernel_services
from lvsmarkd.kernel.rules import policy_rules
from lvsmarkd.model.claim import MarkClaim
from lvsmarkd.model.ipvs import KernelServices
from lvsmarkd.model.keepalived import Reading
from lvsmarkd.model.running import Build, Running, RunningKeepalived, Stopped
from lvsmarkd.model.runtime_state import HostSource, RuntimeState
from lvsmarkd.model.unknown import Unknown

_NAMED_NAMESPACES = Path("/run/netns")
_OWN_NAMESPACE = Path("/proc/thread-self/ns/net")


def _find(known: Running | None) -> Running:
    return find_keepalived(known=known)


def _program() -> str | None:
    return shutil.which("keepalived", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin")


class RuntimeProbe(Struct):
    """Looks once per pass; keeps what is dear for as long as nothing tells that it changed."""

    find: Callable[[Running | None], Running] = _find
    kernel: Callable[[], KernelServices] = kernel_services
    rules: Callable[[], tuple[MarkClaim, ...] | Unknown] = policy_rules
    stamp: Callable[[int], CopyStamp | None] = stamp_of
    read: Callable[[RunningKeepalived], Reading | Unknown] = read_running_copy
    ask: Callable[[str | None], Build | None] = installed_build
    program: Callable[[], str | None] = _program
    _running: Running | None = None
    _copy: Reading | Unknown | None = None
    _stamp: CopyStamp | None = None
    _installed: tuple[tuple[str, FileStamp | None], Build | None] | None = None
    _silent: int = 0
    """Passes since the installed one was asked first, and did not tell which it is."""

    def look(self, named: Path | None) -> RuntimeState:
        """What is there now. ``named`` is the file that the operator named, if one: a keepalived
        that runs on another file is not the one that is meant.
        """
        running: Running | None = self._process()
        unseen: dict[HostSource, Unknown] = {}
        copy: Reading | None = None
        if named is not None and not _runs_on(running, named):
            running = None
        if isinstance(running, RunningKeepalived):
            found = self._copy_of(running)
            if isinstance(found, Unknown):
                unseen[HostSource.COPY] = found
            else:
                copy = found
        host = self.look_at_host()
        unseen |= host.unseen
        kernel = self.kernel()
        if isinstance(kernel, Unknown):
            unseen[HostSource.IPVS] = kernel
        if isinstance(running, Unknown):
            unseen[HostSource.PROCESS] = running
        return RuntimeState(running, copy, kernel, host.claims, unseen=unseen)

    def look_at_host(self) -> RuntimeState:
        """What is there whatever keepalived does: policy routing."""
        claims = self.rules()
        if isinstance(claims, Unknown):
            return RuntimeState(unseen={HostSource.POLICY_ROUTING: claims})
        return RuntimeState(claims=claims)

    def build(self, running: Running | None) -> Build | None:
        """Which keepalived runs, else which one is installed, if any."""
        if isinstance(running, RunningKeepalived) and running.build is not None:
            return running.build
        executable = self.program()
        if executable is None:
            return None
        known = (executable, file_stamp(executable))
        if self._installed is None or self._installed[0] != known:
            self._installed, self._silent = (known, self.ask(executable)), 0
        elif self._installed[1] is None:
            # In the middle of an upgrade it does not start: it is asked again, ever more seldom.
            self._silent += 1
            if self._silent.bit_count() == 1:
                self._installed = (known, self.ask(executable))
        return self._installed[1]

    def _process(self) -> Running:
        found = self.find(self._running)
        if isinstance(found, RunningKeepalived):
            # A container's own keepalived, in a network of its own, is none of this director's.
            if found.contained and found.elsewhere is not False:
                found = Stopped()
            elif not found.same_process(self._running):
                found = replace(found, build=self.ask(found.executable))
                self._copy = self._stamp = None
        self._running = found
        return found

    def _copy_of(self, running: RunningKeepalived) -> Reading | Unknown:
        stamp = self.stamp(running.pid)
        if self._copy is None or stamp is None or stamp != self._stamp:
            self._copy, self._stamp = self.read(running), stamp
        return self._copy


def ipvs_is_here(namespace: str) -> bool:
    """Whether a named network namespace is the one that we are in."""
    try:
        return (_NAMED_NAMESPACES / namespace).samefile(_OWN_NAMESPACE)
    except (OSError, ValueError):
        return False


def _runs_on(running: Running | None, named: Path) -> bool:
    if not isinstance(running, RunningKeepalived):
        return True
    if running.config is None:
        return False
    try:
        return Path(running.config) == named or Path(running.config).samefile(named)
    except OSError:
        return False
