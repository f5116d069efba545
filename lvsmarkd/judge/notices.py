"""What a firewall was seen to be like, in words: what is wrong with it, and what to do."""

from collections.abc import Collection, Iterator

from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.guard import GUARD_IN_RULES
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.rule import Plane, Rule
from lvsmarkd.model.snapshot import Snapshot

_MASKED_UNIT_STATES = frozenset({"masked", "masked-runtime"})


def noticed(snapshot: Snapshot, missing: Collection[Rule] = ()) -> Iterator[Finding]:
    """A finding for each notice, but for one of rules that are all told by a finding of their
    own: ``missing`` are those.
    """
    for notice in snapshot.notices:
        if notice.kind is not NoticeKind.LISTED_ONLY or not set(missing).issuperset(notice.own):
            yield _finding(notice, snapshot)


def awaiting_reload(snapshot: Snapshot) -> dict[Rule, str]:
    """The rules of ours that only a reload of firewalld brings into the kernel, each with why it is
    not reloaded, and what to do.
    """
    return {
        rule: notice.reason
        for notice in snapshot.notices
        if notice.kind is NoticeKind.LISTED_ONLY
        for rule in notice.own
    }


def _finding(notice: Notice, snapshot: Snapshot) -> Finding:  # noqa: C901, PLR0912 - one case for each kind
    names = notice.names
    match notice.kind:
        case NoticeKind.DOWN:
            return _of(notice, Kind.BROKEN, notice.reason, "no rule of ours is in force")
        case NoticeKind.FAILED if names:
            return _of(
                notice,
                Kind.BROKEN,
                f"{notice.reason}; not to be loaded: {'; '.join(names)}",
                "correct these files or move them away",
            )
        case NoticeKind.FAILED | NoticeKind.PANIC:
            return _of(notice, Kind.BROKEN, notice.reason)
        case NoticeKind.KERNEL_UNSEEN:
            return _of(
                notice,
                Kind.UNSEEN,
                f"whether the kernel has what firewalld lists could not be seen: {notice.reason}",
            )
        case NoticeKind.OTHERS_TABLE_UNSEEN:
            return _of(
                notice,
                Kind.UNSEEN,
                f"what is in the nft table {' '.join(names)} could not be seen: {notice.reason}",
                subject=names,
            )
        case NoticeKind.GUARD_SAVED:
            return _of(
                notice,
                Kind.BROKEN,
                f"{':'.join(names)}: the file holds lvsmarkd's own table {GUARD_IN_RULES}, so that"
                " nft loads nothing of it while lvsmarkd runs (Operation not permitted)",
                "take that table out of the file; save tables one by one, as in nft list table inet"
                " filter",
                graded=Severity.WARNING,
                subject=names,
            )
        case NoticeKind.DROPPING:
            return _of(
                notice,
                Kind.BROKEN,
                "a reload of firewalld failed and left it dropping every new connection (table"
                " inet firewalld_policy_drop)",
                "run firewall-cmd --reload",
            )
        case NoticeKind.FLUSHED:
            return _of(
                notice,
                Kind.BROKEN,
                "firewalld's tables are not in the kernel, so that nothing it lists is in force:"
                " somebody flushed them",
                "run firewall-cmd --reload, twice if the first one fails",
            )
        case NoticeKind.LISTED_ONLY:
            return _of(
                notice,
                Kind.BROKEN,
                f"firewalld lists {len(notice.own)} rule(s) of ours that the kernel does not have,"
                " which only a reload mends",
                notice.reason,
            )
        case NoticeKind.INTERIM:
            return _of(
                notice,
                Kind.FLEETING,
                f"the rules {'stand' if notice.count else 'would stand'} in {names[0]} until"
                f" firewalld is reloaded and knows its {names[1]}",
                notice.reason,
                graded=Severity.NOTE,
            )
        case NoticeKind.NO_ZONE:
            return _of(
                notice,
                Kind.BYPASSED,
                f"firewalld has no zone {', '.join(names)} ({notice.plane}), which"
                " firewall.firewalld.zones names",
                "correct the name, or make the zone and reload firewalld",
                graded=Severity.CRITICAL if notice.plane is Plane.RUNTIME else None,
            )
        case NoticeKind.NOT_ENTERED:
            return _of(
                notice,
                Kind.BYPASSED,
                f"no packet enters by firewalld's zone {', '.join(names)}, where our rules stand",
                "name the zones that packets enter by in firewall.firewalld.zones",
                graded=Severity.CRITICAL,
            )
        case NoticeKind.OTHER_ENTRANCE:
            zone, *ways = names
            return _of(
                notice,
                Kind.BYPASSED,
                f"packets that enter by {', '.join(ways)} are in firewalld's zone {zone}, where no"
                " rule of ours stands, so that they are not marked",
                "add the zone to firewall.firewalld.zones, or set"
                ' firewall.firewalld.placement = "policy"',
                subject=zone,
            )
        case NoticeKind.MASKED:
            container = notice.rule.chain if notice.rule else ""
            return _of(
                notice,
                Kind.CONFLICT,
                f"a rich rule in firewalld's {container} sets a mark with a mask, which"
                " firewalld's nftables and iptables backends take for opposite things, and IPVS"
                " compares the whole mark",
                "write it without the mask",
            )
        case NoticeKind.NOT_AT_BOOT:
            return _of(
                notice,
                Kind.FLEETING,
                f"firewalld runs and is {notice.reason} at boot: the next boot brings none of"
                " these rules",
                f"run systemctl {_remedy(notice.reason)} firewalld",
            )
        case NoticeKind.OTHER_VARIANT:
            variant, table = names
            return _of(
                notice,
                Kind.MIXED,
                f"table {table} of {variant} ({notice.family}) holds {notice.count} rule(s) beside"
                f" {snapshot.firewall.name}, which lvsmarkd uses: the kernel evaluates both",
                "move them to one variant",
                subject=names,
            )
        case NoticeKind.TABLE_UNREAD:
            return _of(
                notice,
                Kind.UNKNOWN,
                "it could not be seen whether firewalld's table (inet firewalld) is in the kernel"
                f" and changes marks after our rules: {notice.reason}",
            )
        case NoticeKind.FIREWALLD_BESIDE:
            return _of(
                notice,
                Kind.MIXED,
                "firewalld runs here, and lvsmarkd keeps its rules in iptables: what firewalld"
                " marks is the last word, and what it refuses at INPUT no rule in iptables opens",
                'set firewall.backend = "auto" or "firewalld"',
            )


def _of(  # noqa: PLR0913 - what a finding is made of
    notice: Notice,
    kind: Kind,
    fact: str,
    advice: str = "",
    *,
    graded: Severity | None = None,
    subject: object = None,
) -> Finding:
    return Finding(
        kind,
        fact,
        advice,
        graded=graded,
        plane=notice.plane,
        family=notice.family,
        rule=notice.rule,
        subject=(notice.kind, subject),
    )


def _remedy(unit_state: str) -> str:
    return "unmask" if unit_state in _MASKED_UNIT_STATES else "enable"
