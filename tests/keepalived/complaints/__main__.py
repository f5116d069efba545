"""Write anew what keepalived and lvsmarkd say of each kind. As root."""

from pathlib import Path
from tempfile import mkdtemp

from tests.keepalived.complaints import KINDS
from tests.keepalived.editions import EDITIONS, build_asked, command_of
from tests.keepalived.oracle import Oracle


def main() -> None:
    oracles: dict[tuple[int, int, int], Oracle] = {}
    for edition in EDITIONS:
        command = command_of(edition)
        oracles[build_asked(command).version] = Oracle.build(Path(mkdtemp()), command)
    for kind in KINDS:
        (kind.directory / "problems").write_text(kind.problems())
        verdict = kind.ask(oracles[kind.build.version], Path(mkdtemp()))
        (kind.directory / "log").write_text(kind.log(verdict))


main()
