"""What the benchmarks share: many services, the kernel's own account of time, tables of ratios."""

import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import mkdtemp

from tests.harness import netns


def services(count: int, first: int = 1000, ports: str = "80,443") -> str:
    """A keepalived.conf of so many services, HTTP and HTTPS each."""
    return "".join(
        f"virtual_server fwmark {first + n} {{\n"
        f"    # lvsmarkd: to {address(n)} tcp {ports}\n"
        f"    delay_loop 6\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n"
        f"    real_server 198.51.100.1 80 {{\n        weight 1\n    }}\n"
        f"    real_server 198.51.100.2 80 {{\n        weight 1\n    }}\n}}\n"
        for n in range(count)
    )


def address(number: int) -> str:
    """The VIP of the n-th service."""
    return f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"


def rule_of(number: int, first: int = 1000) -> list[str]:
    """The n-th service's rule, as `iptables -D LVSMARKD` takes it."""
    return [
        *("-d", f"{address(number)}/32", "-p", "tcp", "-m", "multiport", "--dports", "80,443"),
        *("-m", "comment", "--comment", f"lvsmarkd fwmark {first + number}"),
        *("-j", "MARK", "--set-xmark", f"{first + number:#x}/0xffffffff"),
    ]


def fresh(variant: str = "nft") -> Path:
    """A fresh namespace, a fresh directory; ``iptables`` means the variant there."""
    netns.enter_fresh()
    directory = Path(mkdtemp(prefix="lvsmarkd-bench-"))
    netns.use_variant(directory / "bin", variant)
    return directory


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def restore(text: str) -> None:
    """A bare iptables-restore: the floor of every write."""
    subprocess.run(
        ["iptables-nft-restore", "--noflush"], input=text.encode(), check=True, timeout=60
    )


def p99(values: Iterable[float]) -> float:
    """The 99th percentile; of few values, the largest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def line(name: str, values: list[float], floor: float | None = None) -> str:
    """One row: median and p99 in milliseconds, and the median as a multiple of the floor's."""
    middle = statistics.median(values)
    ratio = "" if floor is None else f"{middle / floor:8.2f} x"
    return f"{name:<58} {1e3 * middle:9.1f} {1e3 * p99(values):9.1f} {ratio:>10}"
