"""What is shown as input for nft, loaded by nft: it comes to the very table."""

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.nftables.mark_table import mark_table
from lvsmarkd.backends.nftables.own_rules import OWN_HOOKS, table_limits
from lvsmarkd.judge.desired import Options
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.netfilter.nftables.changes import add, delete
from lvsmarkd.netfilter.nftables.contents import read_contents
from lvsmarkd.netfilter.nftables.difference import difference
from lvsmarkd.netfilter.nftables.expressions import DROP, Expression, UnknownExpression
from lvsmarkd.netfilter.nftables.nft_text import nft_text
from lvsmarkd.netfilter.nftables.objects import NftRule, NftTable, TableContents
from tests.harness.netns import run
from tests.harness.nft_tables import OURS
from tests.harness.values import declare, flow, want

TABLE = NftTable(OURS)
FIRST = (
    flow("192.0.2.1", 80),
    flow("192.0.2.1", 10000, 20000),
    flow("192.0.2.2"),
    flow("192.0.2.3", transport=None),
    flow("198.51.100.0/24", transport=None),
    flow("192.0.2.9", 25, in_interface="eth0", not_from_mac=["52:54:00:00:00:01"]),
    flow("2001:db8::1", 80),
)
THEN = (*FIRST[:2], flow("192.0.2.1", 443), flow("192.0.2.9", 25, in_interface="eth1"))


def table_of(*flows: object) -> TableContents:
    rules = want(
        declare(80, *flows),  # type: ignore[arg-type] # flows
        policy=Options(local=True, limits=table_limits()),
    ).rules
    return mark_table(TABLE, sorted(rules, key=str), only_unmarked=False, hooks=OWN_HOOKS)


@pytest.mark.netns
def test_nft_makes_of_it_what_netlink_would(netns: None) -> None:
    del netns
    for flows in (FIRST, THEN, FIRST[3:]):
        wanted = table_of(*flows)
        text = nft_text(difference(wanted, there(), 0))
        assert "#" not in text
        run("nft", "-f", "-", stdin=text)
        assert difference(wanted, there(), 0) == (), text
    run("nft", "-f", "-", stdin=nft_text(delete(OURS)))
    assert there().table is None


def there() -> TableContents:
    """What the kernel has, but for what nft turns round of protocols in ranges: one byte."""
    kernel = NfTablesSocket()
    found = read_contents(kernel, OURS)
    kernel.close()
    rules = {
        chain: tuple(
            replace(rule, expressions=tuple(filter(_counts, rule.expressions))) for rule in those
        )
        for chain, those in found.rules.items()
    }
    return replace(found, rules=rules)


def _counts(each: Expression) -> bool:
    return not (isinstance(each, UnknownExpression) and each.name == "byteorder")


def test_what_has_no_words_is_a_comment() -> None:
    strange = NftRule(OURS, "pre", (UnknownExpression("osf", b""),))
    assert nft_text(add(strange)) == f"# add {strange}\n"
    assert nft_text(add(replace(strange, expressions=(DROP,)))) == "add rule inet ours pre drop\n"
    assert nft_text(()) == ""
