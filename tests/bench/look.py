"""What a look at iptables costs where it holds a thousand rules of ours and thousands of others':
CPU of ourselves, and of the programs that list the rules.
"""

import os
import resource
from pathlib import Path
from tempfile import mkdtemp

from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.iptables.backend import IptablesBackend
from lvsmarkd.backends.iptables.toolset import Variant, detect
from tests.bench.ground import address, fresh, rule_of
from tests.harness.netns import run, use_variant

OWN = 1000
OTHERS = (0, 2500, 5000)
LOOKS = 9


def main() -> None:
    """The first look, and the median of those after it, which know most rules' texts."""
    print(
        "\nCPU of a look at iptables, ms: ourselves + iptables-save" + f"{'first':>19}{'next':>16}"
    )
    for variant in Variant:
        for others in OTHERS:
            directory = fresh(variant)
            os.environ["PATH"] = use_variant(directory / "look", variant)
            _fill(directory, others)
            backend = IptablesBackend(detect(), Backup(Path(mkdtemp())))
            first, *rest = (_cpu(backend) for _ in range(LOOKS))
            median = sorted(rest)[len(rest) // 2]
            what = f"{variant}: {OWN} of ours, {others} that mark, {others} that drop"
            print(f"{what:56}{first[0]:11.0f} +{first[1]:4.0f}{median[0]:10.0f} +{median[1]:4.0f}")


def _fill(directory: Path, others: int) -> None:
    """Put the rules in."""
    own = [f"-A LVSMARKD {_quoted(rule_of(n))}" for n in range(OWN)]
    marks = [
        f"-A WEB -d {address(n)} -p tcp --dport 80 -j MARK --set-mark 7" for n in range(others)
    ]
    drops = [f"-A INPUT -s {address(n)} -j DROP" for n in range(others)]
    chains = [":LVSMARKD - [0:0]", ":WEB - [0:0]", "-A PREROUTING -j LVSMARKD"]
    mangle = ["*mangle", *chains, "-A PREROUTING -j WEB", *own, *marks, "COMMIT"]
    rules = directory / "rules"
    rules.write_text("\n".join([*mangle, "*filter", *drops, "COMMIT", ""]))
    run("iptables-restore", str(rules))


def _quoted(words: list[str]) -> str:
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def _cpu(backend: IptablesBackend) -> tuple[float, float]:
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    backend.read()
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, children = (
        1000 * (b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime)
        for a, b in zip(before, after, strict=True)
    )
    return own, children
