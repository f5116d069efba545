"""Which iptables this host has: the binaries are asked (``iptables -V``), not the distribution."""

import os
import re
import shutil
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from lvsmarkd.kernel.nf_tables import named_tables
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.iptables_save import is_iptables
from lvsmarkd.netfilter.program import run, search_path

_STEM = {Family.INET: "iptables", Family.INET6: "ip6tables"}
_LEGACY = (Path("/proc/self/net/ip_tables_names"), Path("/proc/self/net/ip6_tables_names"))
_VERSION = re.compile(r"v(?P<version>[0-9][^\s]*)(?: \((?P<variant>nf_tables|legacy)\))?")


class Variant(StrEnum):
    """Two programs of one name that write two rulesets; the kernel evaluates both."""

    NFT = "nft"
    LEGACY = "legacy"

    @property
    def other(self) -> "Variant":
        """The other one."""
        return Variant.LEGACY if self is Variant.NFT else Variant.NFT


class Tools(Struct, frozen=True):
    """The programs of one family and one variant, by absolute path."""

    save: str
    restore: str


class Toolset(Struct, frozen=True):
    """The variant in use, its version, and its programs; a family may lack them."""

    variant: Variant
    version: str
    tools: dict[Family, Tools]


def detect() -> Toolset:
    """Find the variant that ``iptables`` stands for.

    The programs are then called by their full names (``iptables-nft-save``) where these
    exist, so that a switch of the alternatives while we run does not split our rules over
    two rulesets. Raises FirewallError (GONE) where there is no iptables.
    """
    binary = _which("iptables") or _which("iptables-nft") or _which("iptables-legacy")
    if binary is None:
        raise FirewallError(
            Trouble.GONE, "iptables was not found in PATH: install the package iptables"
        )
    answer = run([binary, "-V"])
    found = _VERSION.search(answer.output)
    if answer.status != 0 or found is None:
        said = answer.output or answer.error
        raise FirewallError(Trouble.GONE, f"{binary} -V does not tell its variant, but: {said}")
    variant = Variant.NFT if found["variant"] == "nf_tables" else Variant.LEGACY
    return Toolset(variant, found["version"], tools_of(variant))


def tools_of(variant: Variant) -> dict[Family, Tools]:
    """The programs of a variant, for the families that have both of them."""
    tools = {}
    for family, stem in _STEM.items():
        save = _which(f"{stem}-{variant}-save") or _which(f"{stem}-save")
        restore = _which(f"{stem}-{variant}-restore") or _which(f"{stem}-restore")
        if save and restore:
            tools[family] = Tools(save, restore)
    return tools


def stamp() -> object:
    """What ``iptables`` stands for now: differs once the alternative is switched."""
    return tuple(
        os.path.realpath(found) if (found := _which(name)) else None
        for name in ("iptables", "ip6tables")
    )


def _which(name: str) -> str | None:
    return shutil.which(name, path=search_path())


def has_tables() -> bool:
    """Whether there may be a table of either variant in our network namespace: no program is asked,
    and none loads a module of the kernel by asking.
    """
    if any(map(_names, _LEGACY)):
        return True
    there = named_tables()
    return isinstance(there, Unknown) or any(
        is_iptables(each.family, each.name) for each in there.tables
    )


def _names(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
    except OSError:
        return "unknown"
