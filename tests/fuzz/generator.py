"""From a seed to a configuration: grown from the grammar or spliced from known cases, disturbed."""

from random import Random

from tests.fuzz.configuration import Configuration
from tests.fuzz.disturbances import Draft, add_file, disturb
from tests.fuzz.grammar import document
from tests.fuzz.vocabulary import FILES
from tests.fuzz.vrrp_grammar import vrrp_document
from tests.keepalived.cases import CASES, MAIN


def generate(seed: str) -> Configuration:
    """The configuration of a seed, the same on every machine and in every run."""
    chance = Random(seed)
    draft: Draft = {MAIN: []}
    executable: set[str] = set()
    if chance.random() < 0.35:
        _splice(chance, draft, executable)
    else:
        draft[MAIN] = document(chance)
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        add_file(chance, draft)
    disturb(chance, draft, chance.choice((0, 0, 1, 1, 2, 2, 3, 4, 6, 10)))
    if chance.random() < 0.1:
        executable.add(chance.choice(FILES))
    end = chance.choice(("\n", "\n", "\n", "\n", "\n", "\n", "\r\n", ""))
    files = {name: _text(lines, end) for name, lines in draft.items()}
    return Configuration(files, frozenset(executable & files.keys()))


def generate_instances(seed: str) -> Configuration:
    """The vrrp_instances of a seed, little disturbed: what they are read as is another matter."""
    chance = Random(seed)
    draft: Draft = {MAIN: vrrp_document(chance)}
    if chance.random() < 0.15:
        disturb(chance, draft, chance.choice((1, 1, 2)))
    return Configuration({name: _text(lines, "\n") for name, lines in draft.items()})


def _splice(chance: Random, draft: Draft, executable: set[str]) -> None:
    """Known cases, whole or in pieces, one after the other or into each other."""
    for _ in range(chance.choice((1, 2, 2, 3))):
        case = chance.choice(CASES)
        lines = case.text.split("\n")
        if chance.random() < 0.25:
            start = chance.randrange(len(lines))
            lines = lines[start : start + chance.randint(1, 6)]
        if chance.random() < 0.25:
            lines = document(chance, 2)
        whole = draft[MAIN]
        at = len(whole) if chance.random() < 0.7 else chance.randint(0, len(whole))
        whole[at:at] = lines
        draft.update({name: text.split("\n") for name, text in case.files.items()})
        executable.update([case.executable] if case.executable else [])


def _text(lines: list[str], end: str) -> str:
    return (end or "\n").join(lines) + end
