"""One configuration, read by both: keepalived and lvsmarkd."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lvsmarkd.keepalived import read
from lvsmarkd.model.keepalived import Completeness, Reading
from tests.fuzz.configuration import Configuration
from tests.fuzz.vocabulary import CONFIG_ID
from tests.keepalived.standing import Answer, StandingOracle

Pairs = frozenset[tuple[str, int]]

SAYS_SO = (
    *("cannot be known from the file", "is not read, since", "the reading ends here"),
    "keepalived may crash",
)
"""What a problem says where a reading knows itself to be no more than a part."""

MAX_EXPANDED = 300_000
"""Characters that one generated configuration expands to: more come of a loop only."""

MAX_SECONDS = 5.0
"""Of reading, whatever the configuration."""


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
    answer: Answer
    ours: Pairs
    problems: tuple[str, ...]
    error: str = ""
    slow: bool = False

    def __str__(self) -> str:
        told = "".join(f"  {problem}\n" for problem in self.problems)
        return (
            f"keepalived {self.answer.end}: {_pairs(self.answer.services)}\n"
            f"lvsmarkd: {_pairs(self.ours)} {self.error}\n{told}"
        )


def compare(configuration: Configuration, oracle: StandingOracle) -> Comparison:
    """Put a configuration to both."""
    path = configuration.write(oracle.clear())
    answer = oracle.ask()
    began = time.perf_counter()
    try:
        reading = read(path, CONFIG_ID, dialect=oracle.dialect)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
        return Comparison(Outcome.DISAGREED, answer, frozenset(), (), f"raises {error!r}")
    seconds = time.perf_counter() - began
    keys = {service.key for service in reading.services}
    if reading.reserved is not None:
        keys |= reading.reserved.keys
    ours = frozenset((str(key.family), key.mark) for key in keys)
    told = tuple(str(problem) for problem in reading.problems)
    if seconds > MAX_SECONDS:
        return Comparison(
            Outcome.DISAGREED, answer, ours, told, f"takes {seconds:.1f} s", slow=True
        )
    if is_narrowed(reading):
        return Comparison(Outcome.APART, answer, ours, told)
    outcome = Outcome.AGREED if ours == answer.services else Outcome.DISAGREED
    return Comparison(outcome, answer, ours, told)


def is_narrowed(reading: Reading) -> bool:
    """Whether a reading says of itself that it left something unread."""
    return reading.completeness is Completeness.SUSPECT and any(
        phrase in problem.message for problem in reading.problems for phrase in SAYS_SO
    )


def _pairs(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{family} {mark}" for family, mark in sorted(pairs)) or "nothing"
