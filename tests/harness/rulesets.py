"""Rulesets as iptables-save and nft list them, from few words."""

import re

from lvsmarkd.model.ruleset import Lister, Ruleset, TableKey
from lvsmarkd.netfilter.iptables_save import read_saved

_SHORT = {
    "^pre ": "mangle PREROUTING ",
    "^in ": "filter INPUT ",
    r"\bMARK (\d+)$": r"-j MARK --set-mark \1",
}


def saved(text: str, source: Lister = Lister.IPTABLES_NFT, family: str = "ip") -> Ruleset:
    """``TABLE CHAIN rule…`` on each line; ``TABLE :CHAIN POLICY`` for a policy. ``pre`` and ``in``
    are the chains that most is about, ``MARK N`` is what most rules do.
    """
    lines: dict[str, list[str]] = {}
    chains: dict[str, dict[str, str]] = {}
    for each in filter(None, map(str.strip, text.splitlines())):
        line = each
        for short, whole in _SHORT.items():
            line = re.sub(short, whole, line)
        table, chain, *rest = line.split(maxsplit=2)
        known = chains.setdefault(table, {})
        if chain.startswith(":"):
            known[chain[1:]] = rest[0]
        else:
            built_in = chain in {"PREROUTING", "INPUT", "OUTPUT", "FORWARD", "POSTROUTING"}
            known.setdefault(chain, "ACCEPT" if built_in else "-")
            lines.setdefault(table, []).append(f"-A {chain} {rest[0]}")
    listing = "".join(
        f"*{table}\n"
        + "".join(f":{chain} {policy} [0:0]\n" for chain, policy in known.items())
        + "".join(f"{line}\n" for line in lines.get(table, ()))
        + "COMMIT\n"
        for table, known in chains.items()
    )
    tables = read_saved(listing, source, family)
    return Ruleset({TableKey(source, family, name): table for name, table in tables.items()})
