"""Time that tests move by hand, and a reconciler over files and a firewall on paper."""

from dataclasses import dataclass, field
from pathlib import Path

from lvsmarkd.model.report import Mode, Report
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.model.wake import Actor, Trigger, Wake
from lvsmarkd.reconcile.inputs import InputPaths, InputReader
from lvsmarkd.reconcile.reconciler import Clock, Reconciler
from tests.harness.paper import PaperFirewall

WEB = """\
virtual_server fwmark 80 {
    # lvsmarkd: to 192.0.2.10 tcp 80,443
    lb_kind NAT
    real_server 198.51.100.1 80 { }
}
"""
MAIL = """\
virtual_server fwmark 25 {
    # lvsmarkd: to 192.0.2.10 tcp 25
    lb_kind NAT
    real_server 198.51.100.1 25 { }
}
"""


@dataclass
class Bench:
    """``conf`` and ``toml`` are the operator's files; ``now`` is the time."""

    directory: Path
    now: float = 1000.0
    paper: PaperFirewall = field(default_factory=PaperFirewall)
    reconciler: Reconciler = field(init=False)

    def __post_init__(self) -> None:
        self.conf = self.directory / "keepalived.conf"
        self.toml = self.directory / "lvsmarkd.toml"
        if not self.toml.exists():
            self.toml.write_text("# nothing yet\n")
        if not self.conf.exists():
            self.conf.write_text(WEB)
        self.start()

    def start(self) -> None:
        """A daemon's first moment: no memory."""
        self.reconciler = Reconciler(
            InputReader.open(InputPaths(self.toml, self.conf)),
            self.paper,
            Clock(lambda: self.now, lambda: 1e9 + self.now),
        )

    def look(self, *actors: Actor, mode: Mode = Mode.ENFORCE) -> Report:
        """One pass."""
        wakes = [Wake(Trigger.NETLINK, actor) for actor in actors] or [Wake(Trigger.TIMER)]
        return self.reconciler.run(wakes, lambda _settings: mode)

    def marks(self) -> tuple[Rule, ...]:
        """The rules that mark IPv4 packets, in their order."""
        chain = self.paper.chains[ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)]
        assert isinstance(chain, Chain)
        return chain.rules

    def rules(self) -> set[int | None]:
        """The marks that have rules now."""
        return {r.mark for c in self.paper.chains.values() for r in getattr(c, "rules", ())}
