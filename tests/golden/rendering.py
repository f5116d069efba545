"""From a directory's keepalived.conf and lvsmarkd.toml to what is found and what is written.

Nothing is there yet but what the directory's `iptables-save` and `ip6tables-save` list. The way is
the daemon's own, without the kernel: files, declarations, what must hold, the judgement, and the
text that a firewall is given.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.backends.firewalld.planes.own_rules import OwnRules, chain_of, own_rules
from lvsmarkd.backends.firewalld.planes.reader import CHAIN_KEYS as FIREWALLD_CHAINS
from lvsmarkd.backends.firewalld.rich.qualifiers import rich_rule_limits
from lvsmarkd.backends.firewalld.writing.changes import change_of, commands
from lvsmarkd.backends.iptables.chains import TABLES, table_key
from lvsmarkd.backends.iptables.script import of_table, script
from lvsmarkd.backends.iptables.snapshot import snapshot_of
from lvsmarkd.backends.iptables.toolset import Variant
from lvsmarkd.backends.nftables.backend import chains_of, changes_for
from lvsmarkd.backends.nftables.own_rules import NOTHING, table_limits
from lvsmarkd.backends.nftables.view import OWN_PLACES
from lvsmarkd.declarations.tables import BackendChoice, Firewall, Placement
from lvsmarkd.judge.desired import desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Finding
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.limits import DEFAULT_LIMITS
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.netfilter.iptables_save import FAMILY_NAMES, read_saved
from lvsmarkd.netfilter.nftables.nft_text import nft_text
from lvsmarkd.netfilter.nftables.objects import TableContents
from lvsmarkd.reconcile.inputs import InputPaths, InputReader

if TYPE_CHECKING:
    from lvsmarkd.model.unknown import Unknown

INPUTS = ("keepalived.conf", "lvsmarkd.toml", "iptables-save", "ip6tables-save")
_SAVED = {Family.INET: INPUTS[2], Family.INET6: INPUTS[3]}
_RESTORE = {Family.INET: "iptables-restore", Family.INET6: "ip6tables-restore"}


def rendered(directory: Path) -> dict[str, str]:
    """Each file that ``directory`` should hold besides its inputs, with what it should say."""
    toml = directory / "lvsmarkd.toml"
    reader = InputReader.open(InputPaths(toml if toml.exists() else None, directory / INPUTS[0]))
    inputs = reader.gather()
    firewall = reader.settings.firewall
    by_firewalld = firewall.backend is BackendChoice.FIREWALLD
    by_nftables = firewall.backend is BackendChoice.NFTABLES
    limits = rich_rule_limits() if by_firewalld else DEFAULT_LIMITS
    policy = inputs.policy(table_limits() if by_nftables else limits)
    wanted = desired(inputs.reading, inputs.declared, policy)
    if by_nftables:
        seen = Snapshot(
            chains_of(NOTHING), limits=table_limits(), ruleset=_saved(directory), places=OWN_PLACES
        )
        plan = judge(wanted, seen)
        files = dict(_nft(plan))
    elif by_firewalld:
        planes = {plane: _nothing_of_ours(plane, firewall) for plane in _PLANES}
        chains = {key: chain_of(key, planes[key.plane]) for key in FIREWALLD_CHAINS}
        plan = judge(wanted, Snapshot(chains))
        files = dict(_firewall_cmd(plan, planes))
    else:
        identity = FirewallIdentity(Program.IPTABLES, Variant.NFT, "1.8.9")
        plan = judge(wanted, snapshot_of(_saved(directory), identity, jump_at_end=False))
        files = dict(_restore(plan))
    files["findings"] = "".join(_findings(plan.findings)) or "nothing\n"
    return {name: text.replace(f"{directory}/", "") for name, text in files.items()}


def _saved(directory: Path) -> Ruleset:
    """What the two listings hold; a table that is in none is there and empty."""
    tables: dict[TableKey, Table | Unknown] = {}
    for family, name in _SAVED.items():
        keys = [table_key(Lister.IPTABLES_NFT, family, table) for table in TABLES]
        tables |= {key: Table(key) for key in keys}
        if (directory / name).exists():
            text = (directory / name).read_text()
            found = read_saved(text, Lister.IPTABLES_NFT, FAMILY_NAMES[family])
            tables |= {table_key(Lister.IPTABLES_NFT, family, t): each for t, each in found.items()}
    return Ruleset(tables)


_PLANES = (Plane.RUNTIME, Plane.PERMANENT)


def _nothing_of_ours(plane: Plane, firewall: Firewall) -> OwnRules:
    listing = Listing(plane, "public", zones={"public": {}}, policies={})
    by_policy = firewall.firewalld.placement is Placement.POLICY
    return own_rules(listing, by_policy=by_policy, zones=firewall.firewalld.zones, marks={})


def _restore(plan: Plan) -> Iterator[tuple[str, str]]:
    """What iptables-restore of each family is given to read."""
    for family, program in _RESTORE.items():
        steps = [step for step in plan.steps if step.chain_key.family is family]
        texts = [script(t, steps, jump_at_end=False) for t in TABLES if of_table(t, steps)]
        if texts:
            yield program, "".join(texts)


def _firewall_cmd(plan: Plan, planes: dict[Plane, OwnRules]) -> Iterator[tuple[str, str]]:
    """What an operator would type for it, permanent first, as the rules come."""
    lines: list[str] = []
    for plane in sorted(planes):
        steps = {key: each for key, each in plan.by_chain().items() if key.plane is plane}
        lines += commands(plane, change_of(steps, planes[plane]))
    if lines:
        yield "firewall-cmd", "".join(f"{line}\n" for line in lines)


def _nft(plan: Plan) -> Iterator[tuple[str, str]]:
    """What nft would be given to read, of a table that is not there yet."""
    if text := nft_text(changes_for(plan.steps, TableContents())):
        yield "nft", text


def _findings(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        about = "  ".join(map(str, filter(None, (finding.service, *finding.origins))))
        yield f"{finding.severity}: {finding.kind}  {about}\n    {finding.message}\n"
        if finding.detail not in finding.message:
            yield "".join(f"    | {line}\n" for line in finding.detail.splitlines())
