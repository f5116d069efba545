"""Laws of the core, over generated declarations, firewalls and damage."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.drift import History
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.layout import rules_of
from lvsmarkd.model.declaration import Declared, DeclaredFlow
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.plan import AddRule
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.service import Family, Service, ServiceKey
from lvsmarkd.model.snapshot import Chain
from tests.harness.paper import CHAIN_KEYS, PaperFirewall
from tests.harness.values import HERE, instance, key, qualified, reading

ports = st.tuples(st.integers(1, 65535), st.integers(0, 300)).map(
    lambda p: PortRange(p[0], min(65535, p[0] + p[1]))
)
spans = st.one_of(
    st.just((None, None)),
    st.tuples(st.sampled_from(Transport), st.none()),
    st.tuples(st.sampled_from(Transport), ports),
)
interfaces = st.sampled_from([None, "eth0", "bond0.7"])
macs = st.sampled_from([(), ("52:54:00:00:00:01",)])
addresses = st.integers(1, 30).map(lambda n: ip_network(f"192.0.2.{n}")) | st.integers(1, 30).map(
    lambda n: ip_network(f"2001:db8::{n:x}")
)
flows = st.builds(
    lambda to, span, interface, mac: Packets(
        destination=to,
        protocol=span[0],
        ports=() if span[1] is None else (span[1],),
        qualifiers=qualified(interface, mac),
    ),
    addresses,
    spans,
    interfaces,
    macs,
)


OURS = History(ours=lambda _spot: True)


@st.composite
def wishes(draw: st.DrawFn) -> Desired:
    """What must hold: each destination belongs to one mark."""
    declared: dict[ServiceKey, list[DeclaredFlow]] = {}
    owner: dict[object, int] = {}
    for flow in draw(st.lists(flows, max_size=12)):
        mark = owner.setdefault(flow.destination, draw(st.integers(1, 5)))
        own = declared.setdefault(key(mark, str(flow.family)), [])
        own.append(DeclaredFlow(flow, draw(st.booleans()), HERE))
    services = [Service(k, (HERE,)) for k in declared]
    vrrp = draw(st.sampled_from([(), (instance("192.0.2.1", ah=True),)]))
    return desired(
        reading(*services, instances=vrrp),
        Declared({k: tuple(v) for k, v in declared.items()}),
        Options(local=draw(st.booleans())),
    )


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Desired, PaperFirewall]:
    """A wish, and a firewall that holds some of it, some of another, and worse."""
    wish, other = draw(wishes()), draw(wishes())
    paper = PaperFirewall()
    pool = sorted(wish.rules | other.rules, key=str)
    for chain_key in CHAIN_KEYS:
        mine = [r for r in pool if r.family is chain_key.family and r.hook is chain_key.hook]
        if not draw(st.booleans()) or not mine:
            continue
        paper.chains[chain_key] = Chain(
            True,
            draw(st.integers(0, 3)),
            tuple(draw(st.lists(st.sampled_from(mine), max_size=8))),
            tuple(draw(st.lists(st.just("-j LOG"), max_size=1))),
        )
    return wish, paper


@given(damaged())
def test_applying_a_plan_leaves_an_empty_plan(case: tuple[Desired, PaperFirewall]) -> None:
    wish, paper = case
    paper.apply(judge(wish, paper.read(), history=OURS))
    left = judge(wish, paper.read(), history=OURS)
    assert left.steps == ()
    assert left.findings == ()
    assert {r for c in paper.chains.values() if isinstance(c, Chain) for r in c.rules} == wish.rules
    assert all(covered(wish, paper.read()).values())


@given(damaged())
def test_a_plan_and_its_findings_say_the_same(case: tuple[Desired, PaperFirewall]) -> None:
    """Steps without a finding only where the whole chain is new; findings never without steps."""
    wish, paper = case
    plan = judge(wish, paper.read(), history=OURS)
    assert bool(plan.steps) == bool(plan.findings) or not plan.findings
    assert not plan.findings or plan.steps


@given(damaged())
def test_a_configuration_that_is_not_whole_never_takes_a_rule_away(
    case: tuple[Desired, PaperFirewall],
) -> None:
    """Unless it would give a wanted packet another mark."""
    wish, paper = case
    suspect = Desired(wish.services, wish.flows, wish.coverage, rules=wish.rules, removable=False)
    before = {r for c in paper.chains.values() if isinstance(c, Chain) for r in c.rules}
    paper.apply(judge(suspect, paper.read(), history=OURS))
    after = {r for c in paper.chains.values() if isinstance(c, Chain) for r in c.rules}
    assert wish.rules <= after
    for lost in before - after:
        assert any(lost.contradicts(rule) for rule in wish.rules)


@given(wishes(), wishes())
def test_new_rules_come_before_old_ones_go(first: Desired, second: Desired) -> None:
    paper = PaperFirewall()
    paper.apply(judge(first, paper.read(), history=OURS))
    steps = judge(second, paper.read(), history=OURS).steps
    for chain_key in CHAIN_KEYS:
        kinds = [isinstance(step, AddRule) for step in steps if step.chain_key == chain_key]
        assert kinds == sorted(kinds, reverse=True)


@given(st.lists(flows, max_size=20), st.integers(2, 15))
def test_grouping_into_rules_loses_and_adds_no_packet(own: list[Packets], slots: int) -> None:
    mine = [f for f in own if f.family is Family.INET]
    declared = [DeclaredFlow(f, False, HERE) for f in mine]
    rules = list(rules_of(key(5), declared, max_ports_per_rule=slots, local=False))
    for flow in mine:
        assert any(rule.match.covers(flow) for rule in rules)
    for rule in rules:
        assert sum(1 if p.first == p.last else 2 for p in rule.match.ports) <= slots
        assert any(rule.match.overlaps(flow) for flow in mine)


@given(wishes(), st.integers(2, 15))
def test_the_checksum_tells_wishes_apart_and_nothing_else(wish: Desired, slots: int) -> None:
    assert 0 <= wish.checksum < 2**32
    other = replace(
        wish,
        services=dict(reversed([*wish.services.items()])),
        flows={k: own[::-1] for k, own in reversed([*wish.flows.items()])},
        # As a firewall groups them that holds fewer ports in a rule.
        rules=frozenset(
            [rule for rule in wish.rules if rule.mark is None or rule.hook is Hook.OUTPUT]
            + [
                r
                for k, own in wish.flows.items()
                for r in rules_of(k, own, max_ports_per_rule=slots, local=False)
            ]
        ),
    )
    assert other.checksum == wish.checksum
    for k, own in wish.flows.items():
        fewer = [replace(wish, flows={**wish.flows, k: own[1:]}), _without(wish, k)]
        changed = replace(own[0], accept=not own[0].accept)
        accepted = replace(wish, flows={**wish.flows, k: (changed, *own[1:])})
        assert all(each.checksum != wish.checksum for each in (*fewer, accepted))
    vrrp = {rule for rule in wish.rules if rule.mark is None}
    assert not vrrp or replace(wish, rules=wish.rules - vrrp).checksum != wish.checksum


def _without(wish: Desired, key: ServiceKey) -> Desired:
    """It has one service less."""
    services = {k: service for k, service in wish.services.items() if k != key}
    return replace(wish, services=services, flows={k: wish.flows[k] for k in services})
