"""One configuration, read by both: keepalived and lvsmarkd."""

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.model.keepalived import Completeness, Reading
from tests.fuzz.configuration import Configuration
from tests.fuzz.vocabulary import CONFIG_ID
from tests.keepalived.instances import Held, InstancesOracle
from tests.keepalived.standing import End, StandingOracle

Read = frozenset[tuple[str, int]] | frozenset[Held]
"""What is compared: services, or instances."""

SAYS_SO = (
    *("cannot be known from the file", "is not read, since", "the reading ends here"),
    *("keepalived may crash", "keepalived may not come to what follows"),
)
"""What a problem says where a reading knows itself to be no more than a part."""

MAX_EXPANDED = 300_000
"""Characters that one generated configuration expands to: more come of a loop only."""

MAX_SECONDS = 5.0
"""Of processor time for a reading, whatever the configuration."""


class Outcome(StrEnum):
    """What a comparison comes to."""

    AGREED = "agreed"
    APART = "set apart"
    """The reading says of itself that it is not the whole: no agreement, and no error."""
    DISAGREED = "disagreed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both readings of a configuration."""

    outcome: Outcome
    end: End
    theirs: Read
    ours: Read = frozenset()
    problems: tuple[str, ...] = ()
    error: str = ""
    slow: bool = False

    def __str__(self) -> str:
        told = "".join(f"  {problem}\n" for problem in self.problems)
        return (
            f"keepalived {self.end.text}: {_listed(self.theirs)}\n"
            f"lvsmarkd: {_listed(self.ours)} {self.error}\n{told}"
        )


def compare(configuration: Configuration, oracle: StandingOracle) -> Comparison:
    """Put a configuration to both, and compare the services."""
    path = configuration.write(oracle.clear())
    answer = oracle.ask()
    theirs = Comparison(Outcome.DISAGREED, answer.end, answer.services)
    read_by_us = _ours(path, oracle.dialect, theirs)
    if isinstance(read_by_us, Comparison):
        return read_by_us
    keys = {service.key for service in read_by_us.services}
    if read_by_us.reserved is not None:
        keys |= read_by_us.reserved.keys
    ours = frozenset((str(key.family), key.mark) for key in keys)
    return _compared(theirs, read_by_us, ours)


def compare_instances(configuration: Configuration, oracle: InstancesOracle) -> Comparison:
    """Put a configuration to both, and compare the vrrp_instances.

    Where keepalived does not start, lvsmarkd has to say so, and nothing more; which interfaces
    the host has, it does not know.
    """
    path = configuration.write(oracle.clear())
    answer = oracle.ask()
    theirs = Comparison(Outcome.DISAGREED, answer.end, answer.held)
    read_by_us = _ours(path, oracle.dialect, theirs)
    if isinstance(read_by_us, Comparison):
        return read_by_us
    ours = frozenset(map(Held.of, read_by_us.instances))
    starts = not any(problem.fatal for problem in read_by_us.problems)
    compared = _compared(theirs, read_by_us, ours)
    of_host = answer.blames_the_host or (
        answer.finds_router_twice
        and any("dynamic_i" in text for text in configuration.files.values())
    )
    if compared.outcome is Outcome.APART or (starts and of_host):
        return replace(compared, outcome=Outcome.APART)
    if starts is not answer.starts:
        error = "says that it starts" if starts else "says that it does not start"
        return replace(compared, outcome=Outcome.DISAGREED, error=error)
    return compared if starts else replace(compared, outcome=Outcome.AGREED)


def _ours(path: Path, dialect: Dialect, theirs: Comparison) -> Reading | Comparison:
    """Our reading, or what is wrong with it as such."""
    began = time.thread_time()
    try:
        reading = read(path, CONFIG_ID, dialect=dialect)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return replace(theirs, error=f"raises {error!r}")
    seconds = time.thread_time() - began
    if seconds > MAX_SECONDS:
        return replace(theirs, error=f"takes {seconds:.1f} s", slow=True)
    return reading


def _compared(theirs: Comparison, reading: Reading, ours: Read) -> Comparison:
    if is_narrowed(reading):
        outcome = Outcome.APART
    else:
        outcome = Outcome.AGREED if ours == theirs.theirs else Outcome.DISAGREED
    return replace(theirs, outcome=outcome, ours=ours, problems=tuple(map(str, reading.problems)))


def is_narrowed(reading: Reading) -> bool:
    """Whether a reading says of itself that it left something unread."""
    return reading.completeness is Completeness.SUSPECT and any(
        phrase in problem.message for problem in reading.problems for phrase in SAYS_SO
    )


def _listed(read_so: Read) -> str:
    listed = (each if isinstance(each, Held) else f"{each[0]} {each[1]}" for each in read_so)
    return ", ".join(sorted(map(str, listed))) or "nothing"
