"""Reading large configurations, beside splitting the same text into words."""

import statistics
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

from lvsmarkd.keepalived import read
from tests.bench.ground import address, line, timed

SIZES = (0.25, 0.5, 1.0, 2.0)
"""In MB."""
RUNS = 5


def realistic(size: int) -> str:
    """So many bytes of what directors have: global_defs, VRRP, services by mark and by group."""
    parts = [
        "! Configuration File for keepalived\n\nglobal_defs {\n    router_id LVS\n}\n\n"
        "$CHECK=connect_timeout 3\n\n"
    ]
    written = 0
    number = 0
    while written < size:
        number += 1
        parts.append(_vrrp(number) if number % 40 == 1 else "")
        parts.append(_grouped(number) if number % 10 == 0 else _plain(number))
        written += len(parts[-1]) + len(parts[-2])
    return "".join(parts)


def _vrrp(number: int) -> str:
    vips = "".join(f"        {address(number + n)}/32 dev eth0\n" for n in range(10))
    return (
        f"vrrp_instance VI_{number} {{\n    state MASTER\n    interface eth0\n"
        f"    virtual_router_id {number % 255 + 1}\n    priority 100\n    advert_int 1\n"
        f"    authentication {{\n        auth_type PASS\n        auth_pass secret\n    }}\n"
        f"    virtual_ipaddress {{\n{vips}    }}\n}}\n\n"
    )


def _plain(number: int) -> str:
    return (
        f"virtual_server fwmark {number} {{  # service {number}\n"
        f"    # lvsmarkd: to {address(number)} tcp 80,443\n{_inside(number)}}}\n\n"
    )


def _grouped(number: int) -> str:
    return (
        f"virtual_server_group G{number} {{\n    fwmark {number} inet\n"
        f"    fwmark {number + 1_000_000} inet\n}}\n\n"
        f"virtual_server group G{number} {{\n{_inside(number)}}}\n\n"
    )


def _inside(number: int) -> str:
    servers = "".join(
        f"    real_server 198.51.100.{host} 80 {{\n        weight 1\n        TCP_CHECK {{\n"
        f"            connect_port 80\n            ${{CHECK}}\n        }}\n    }}\n"
        for host in range(1, 3 + number % 3)
    )
    return f"    delay_loop 6\n    lb_algo wlc\n    lb_kind DR\n    protocol TCP\n\n{servers}"


def _split(path: Path) -> int:
    return sum(len(row.split()) for row in path.read_text().splitlines())


def main() -> None:
    """Time for each size, as a multiple of the baseline's and per MB; memory for 1 MB."""
    print(f"\nreading keepalived.conf, {RUNS} runs{'median ms':>50} {'p99 ms':>9}")
    with TemporaryDirectory() as directory:
        path = Path(directory, "keepalived.conf")
        for size in SIZES:
            text = realistic(int(size * 2**20))
            path.write_text(text)
            found = len(read(path, "director1").services)
            split = [timed(lambda: _split(path)) for _ in range(RUNS)]
            reads = [timed(lambda: read(path, "director1")) for _ in range(RUNS)]
            base = statistics.median(split)
            print(line(f"{size} MB: split into words (the baseline)", split, base))
            print(line(f"{size} MB: read, {found} services", reads, base))
            print(f"{1e3 * statistics.median(reads) / size:74.0f} ms per MB")
        path.write_text(realistic(2**20))
        tracemalloc.start()
        read(path, "director1")
        print(f"1 MB: {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB at the peak")
        tracemalloc.stop()


if __name__ == "__main__":
    main()
