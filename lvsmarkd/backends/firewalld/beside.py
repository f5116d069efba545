"""iptables where firewalld has tables of its own in the kernel, whether it runs or has ended."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lvsmarkd.backends.backend import Applied, CommandBackend
from lvsmarkd.backends.firewalld.direct import Natives
from lvsmarkd.backends.firewalld.kernel import TABLE
from lvsmarkd.backends.firewalld.leftover import (
    Leftover,
    chains_of,
    in_iptables,
    in_nftables,
    removals,
)
from lvsmarkd.backends.firewalld.previous_backend import parted
from lvsmarkd.backends.iptables.backend import LOCK_SECONDS
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.plan import Plan, RemoveRule, Step
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import ForeignRule, Side, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.program import WRITE_TIMEOUT, OnSpawn, run, search_path

_BOTH = Notice(NoticeKind.FIREWALLD_BESIDE)


@dataclass(slots=True)
class BesideFirewalld:
    """The iptables backend, which sees what firewalld's nftables rules do to its marks: they are
    met after those of iptables, and outlive a firewalld that is killed or loses its bus.

    ``runs`` says whether it keeps a firewall here besides, which is reported. Where it does not,
    and ``clears`` says so, what is left of ours in its tables is a chain of the plane ``former``.
    """

    inner: CommandBackend
    runs: Callable[[], bool] = lambda: False
    clears: bool = False
    on_spawn: OnSpawn = lambda _pid: None
    _known: "_Objects" = field(default_factory=list)
    """Firewalld's table as it was read last."""

    def read(self) -> Snapshot:
        """Read iptables, and what firewalld's table does after it."""
        seen, table, runs = self.inner.read(), _table(), self.runs()
        notices = (_BOTH,) if runs else ()
        if isinstance(table, Unknown):
            notices = (
                *notices,
                Notice(NoticeKind.TABLE_UNREAD, table.reason),
            )  # and what was seen last is taken for it
        else:
            self._known = table
        objects = self._known
        return replace(
            seen,
            chains={**seen.chains, **chains_of(self._left(seen, objects, runs=runs))},
            foreign=(*seen.foreign, *_after(objects)),
            notices=(*seen.notices, *notices),
        )

    def apply(self, plan: Plan) -> Applied:
        """Write to iptables, and take away what is left in firewalld's tables."""
        present, past = parted(plan)
        applied = self.inner.apply(present) if present.steps else Applied()
        try:
            self._remove(past.steps)
        except FirewallError as error:
            return replace(applied, error=applied.error or error)
        return applied

    def close(self) -> None:
        """As iptables."""
        self.inner.close()

    def script(self, plan: Plan) -> dict[str, str]:
        """What would be written."""
        present, past = parted(plan)
        texts = dict(self.inner.script(present))
        if past.steps:
            native, by_family = removals(past.steps, self._leftovers())
            texts |= {"nft -f -": native} if native else {}
            for family, text in by_family.items():
                name = f"{_restore(family)[0]} --noflush, for what firewalld left"
                texts[name] = text
        return texts

    def purge(self) -> Plan:
        """Remove what is ours from iptables, and what is left of it in firewalld's tables."""
        done = self.inner.purge()
        steps: tuple[Step, ...] = tuple(
            RemoveRule(chain_key, rule)
            for chain_key, chain in chains_of(self._leftovers()).items()
            for rule in chain.rules
        )
        self._remove(steps)
        return Plan(steps=(*done.steps, *steps))

    def _leftovers(self) -> tuple[Leftover, ...]:
        """Raises FirewallError (GONE) where that cannot be seen: nobody may say there is none."""
        table = _table()
        if isinstance(table, Unknown):
            raise FirewallError(
                Trouble.GONE, f"what firewalld left of ours could not be read: {table.reason}"
            )
        return self._left(self.inner.read(), table, runs=self.runs())

    def _left(self, seen: Snapshot, objects: "_Objects", *, runs: bool) -> tuple[Leftover, ...]:
        if runs or not self.clears:
            return ()
        return (*in_nftables(objects), *in_iptables(seen.foreign))

    def _remove(self, steps: Iterable[Step]) -> None:
        """By what is there now: a firewalld that has begun anew numbers its rules anew."""
        gone = tuple(steps)
        if not gone:
            return
        native, by_family = removals(gone, self._leftovers())
        if native and (nft := _nft()) is not None:
            self._write([nft, "-f", "-"], native)
        for family, text in by_family.items():
            self._write(_restore(family), text)

    def _write(self, arguments: list[str], text: str) -> None:
        answer = run(arguments, stdin=text, timeout=WRITE_TIMEOUT, on_spawn=self.on_spawn)
        if answer.status != 0:
            raise FirewallError(
                Trouble.REJECTED,
                "what firewalld left of ours could not be removed:"
                f" {' '.join(answer.error.split()) or answer.status}",
            )


_Objects = list[dict[str, Any]]


def _nft() -> str | None:
    return shutil.which("nft", path=search_path())


def _restore(family: Family) -> list[str]:
    tools = detect().tools.get(family)
    if tools is None:
        raise FirewallError(Trouble.GONE, f"there is no iptables-restore for {family}")
    return [tools.restore, "--noflush", "-w", str(LOCK_SECONDS)]


def _table() -> "_Objects | Unknown":
    """Firewalld's table as nft prints it; nothing where there is none."""
    nft = _nft()
    if nft is None:
        return []  # who has no nft has no firewalld that uses it
    # Whether it is there, the list of tables tells; a failure to list the table itself tells not.
    tables = _listed(nft, "tables")
    if isinstance(tables, Unknown):
        return tables
    if not any(_is_firewallds(each.get("table")) for each in tables):
        return []
    return _listed(nft, "table", "inet", TABLE)


def _is_firewallds(table: object) -> bool:
    return isinstance(table, dict) and (table.get("family"), table.get("name")) == ("inet", TABLE)


def _listed(nft: str, *what: str) -> "_Objects | Unknown":
    try:
        answer = run([nft, "-j", "-t", "list", *what])
        if answer.status != 0:
            said = " ".join(answer.error.split()) or f"exit status {answer.status}"
            return Unknown(f"nft list {' '.join(what)} failed: {said}")
        objects = json.loads(answer.output)["nftables"]
    except FirewallError as error:
        return Unknown(str(error))
    except (ValueError, KeyError, TypeError):
        objects = None
    if not isinstance(objects, list):
        return Unknown(f"nft list {' '.join(what)} printed what was not understood")
    return [each for each in objects if isinstance(each, dict)]


def _after(objects: _Objects) -> Iterator[ForeignRule]:
    """The marks that it sets, whoever put them there; past all of iptables' PREROUTING."""
    for rule in Natives(objects).foreign():
        yield replace(rule, later=rule.later or rule.side is Side.AFTER)
