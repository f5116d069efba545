"""A configuration as files, made or shrunk by the fuzzers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.keepalived.cases import MAIN, Case


@dataclass(frozen=True, slots=True)
class Configuration:
    """Files by relative name, ``MAIN`` among them; text holds any byte as a surrogate escape."""

    files: Mapping[str, str]
    executable: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, case: Case) -> "Configuration":
        """A known case."""
        executable = frozenset([case.executable] if case.executable else [])
        return cls({MAIN: case.text, **case.files}, executable)

    def write(self, directory: Path) -> Path:
        """Write it into an empty directory; gives the main file."""
        for name, text in self.files.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
            if name in self.executable:
                file.chmod(0o755)
        return directory / MAIN

    @property
    def size(self) -> int:
        """Characters, all files together."""
        return sum(map(len, self.files.values()))

    def __str__(self) -> str:
        return "\n".join(
            f"--- {name}{' (executable)' if name in self.executable else ''}\n{text!a}"
            if not text.isascii() or "\0" in text or "\r" in text
            else f"--- {name}{' (executable)' if name in self.executable else ''}\n{text}"
            for name, text in self.files.items()
        )
