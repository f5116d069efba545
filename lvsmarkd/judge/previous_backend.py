"""Rules of ours in a firewall that kept them before: they go once they are where they belong."""

from collections.abc import Iterator

from lvsmarkd.judge.desired import Desired, vrrp_rules
from lvsmarkd.judge.drift import ChainDiff, History, stays
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.plan import RemoveChain, RemoveRule
from lvsmarkd.model.rule import ChainKey, Plane, Rule
from lvsmarkd.model.snapshot import Chain, Snapshot


def cleanup_of_previous(
    desired: Desired, snapshot: Snapshot, history: History
) -> Iterator[ChainDiff]:
    """What is left in a previous firewall, and the steps that take it away.

    They are for when nothing else is to be done. A chain stays for as long as the present
    firewall lacks a rule that is wanted, or that would not be taken away if it stood there.
    """
    for chain_key, chain in _chains(snapshot, ended=False):
        needed = _needed(chain_key, chain, desired, snapshot, history)
        steps = () if needed else (RemoveChain(chain_key, chain.jumps, chain.rules),)
        yield ChainDiff((_finding(chain_key, chain, needed=needed),), steps)


def left_by_ended(desired: Desired, snapshot: Snapshot, history: History) -> Iterator[ChainDiff]:
    """What a firewall that has ended left of ours and is not wanted any more, rule by rule.

    It does not wait for anything: packets meet it beside the rules of the present firewall, and
    it may overrule them.
    """
    for chain_key, chain in _chains(snapshot, ended=True):
        want = [
            r for r in desired.rules if (r.family, r.hook) == (chain_key.family, chain_key.hook)
        ]
        for rule in chain.rules:
            if rule not in want and not stays(rule, desired, want, history.lingers):
                yield ChainDiff(
                    (_outlived(chain_key, chain, rule),), (RemoveRule(chain_key, rule),)
                )


def _chains(snapshot: Snapshot, *, ended: bool) -> Iterator[tuple[ChainKey, Chain]]:
    for each in snapshot.previous:
        if each.ended is ended:
            yield from each.chains.items()


def _outlived(chain_key: ChainKey, chain: Chain, rule: Rule) -> Finding:
    return Finding(
        Kind.MIXED,
        f"{chain.container} still has “{rule}”, which packets meet and nothing asks for any more",
        "it is to be removed",
        service=rule.service,
        plane=chain_key.plane,
        family=chain_key.family,
        chain=chain_key,
        rule=rule,
    )


def _needed(
    chain_key: ChainKey, chain: Chain, desired: Desired, snapshot: Snapshot, history: History
) -> bool:
    at = ChainKey(Plane.RUNTIME, chain_key.family, chain_key.hook)
    now = snapshot.chains.get(at)
    if at not in snapshot.chains and desired.policy.vrrp_accept:
        # What accepts VRRP has no place in the present firewall: without it, two directors may
        # both be master.
        accepts = vrrp_rules(desired.instances)
    else:
        accepts = []
    if not set(accepts).isdisjoint(chain.rules):
        return True
    there: set[Rule] = set()
    if isinstance(now, Chain) and now.jumps:
        there = set(now.rules)
    want = [r for r in desired.rules if (r.family, r.hook) == (chain_key.family, chain_key.hook)]
    left = [rule for rule in chain.rules if rule not in there and rule not in want]
    return not there.issuperset(want) or any(
        stays(rule, desired, want, history.lingers) for rule in left
    )


def _finding(chain_key: ChainKey, chain: Chain, *, needed: bool) -> Finding:
    still = (
        "it stays until all that is needed of it is in the firewall that keeps the rules now"
        if needed
        else "it is to be removed"
    )
    return Finding(
        Kind.MIXED,
        f"{chain.container} is there from the time when lvsmarkd kept its rules in it, and packets"
        " meet it too",
        still,
        graded=None if needed else Severity.NOTE,
        plane=chain_key.plane,
        family=chain_key.family,
        chain=chain_key,
        subject=needed,
    )
