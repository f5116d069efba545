"""keepalived's complaints: a directory for each kind.

`keepalived.conf` is a small configuration with one fault. `log` is what keepalived says of it,
`problems` what lvsmarkd does, in the reading that the daemon makes. `version` stands where it is
about another keepalived than the reference. `python -m tests.keepalived.complaints` writes anew
what keepalived and lvsmarkd say.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import REFERENCE, Dialect
from lvsmarkd.model.keepalived import Reading
from lvsmarkd.model.running import Build
from tests.keepalived.cases import CONFIG_ID, MAIN
from tests.keepalived.oracle import Oracle, Verdict

HERE = Path(__file__).parent

_EVERY_RUN = re.compile(
    r"Starting |Running on |Command line|Opening file|Configuration file|NOTICE: |Initializing ipvs"
    r"|Shutting down|Stopped|CPU usage|Startup |Gained quorum|Activating |Please report|  |and incl"
    r"|of what happened|Also provide|run in a container|A failure to|If you are able|Source version"
    r"|Built with|Terminate|Script user |Config files? "
)
"""How lines begin that say nothing of a configuration."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of them."""

    directory: Path

    @property
    def build(self) -> Build:
        """The keepalived that it is about."""
        version = self.directory / "version"
        if not version.exists():
            return REFERENCE
        major, minor, patch = map(int, version.read_text().split("."))
        return Build((major, minor, patch))

    def reading(self) -> Reading:
        return read(self.directory / MAIN, CONFIG_ID, dialect=Dialect.of(self.build))

    def problems(self) -> str:
        """What lvsmarkd says, as `problems` has it."""
        lines = [
            f"{'fatal: ' if problem.fatal else 'note: ' if problem.note else ''}{problem}\n"
            for problem in self.reading().problems
        ]
        return "".join(lines).replace(f"{self.directory}/", "")

    def log(self, verdict: Verdict) -> str:
        """What keepalived says of the configuration, as `log` has it."""
        said = []
        for line in verdict.log.splitlines():
            words = re.sub(r"^\w{3} \w{3} [ \d:]+: ", "", line)
            words = words.replace(f"{self.directory}/", "")
            words = re.sub(r"\bpid \d+|child process\(\d+\)", "the checker", words)
            if not _EVERY_RUN.match(words):
                said.append(words)
        return "".join(f"{words}\n" for words in dict.fromkeys(said))

    def ask(self, oracle: Oracle, scratch: Path) -> Verdict:
        return oracle.ask(self.directory / MAIN, CONFIG_ID, scratch)


KINDS = [Kind(file.parent) for file in sorted(HERE.glob(f"*/{MAIN}"))]
