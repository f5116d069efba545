"""Words that mean nothing in their block, and braces that are not where they should be."""

from collections.abc import Mapping

from lvsmarkd.keepalived.conf.grammar import KeywordTable
from lvsmarkd.keepalived.conf.logical import CLOSE, LogicalLine
from lvsmarkd.keepalived.conf.mark_words import marks_named
from lvsmarkd.keepalived.conf.structure import StructureProblems
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.refusal import nearest


class UnknownWords:
    """Says each once, with the word that was probably meant; not again for what follows of it.

    ``blocks`` are the blocks that it is about, each with its keywords. The methods are told what
    is read, in its order.
    """

    def __init__(self, blocks: Mapping[str, KeywordTable], problems: list[Problem]) -> None:
        self._blocks = blocks
        self._problems = problems
        self._structure = StructureProblems(problems)
        self._pending: tuple[str, LogicalLine] | None = None
        self._lost = ""
        """The block in which a block that means nothing was opened: its lines mean nothing
        either, and its end is that of the block around."""

    def known(self) -> None:
        """A line that means something."""
        self._tell("")
        self._lost = ""

    def unknown(self, block: str, line: LogicalLine) -> None:
        """A line that keepalived drops."""
        self._tell("")
        if block in self._blocks and block != self._lost and line.words[0] != CLOSE:
            self._pending = (block, line)

    def unexpected_open(self, block: str, line: LogicalLine) -> None:
        """A ``{`` that is ignored, after ``line``."""
        if block not in self._blocks:
            return
        if self._pending is not None and self._pending[1] is line:
            self._tell(f", with all that is in its block, and ends the {block} at its '}}'")
            self._lost = block
        elif block != self._lost:
            self._structure.unexpected_open(block, line, ())

    def missing_open(self, block: str, line: LogicalLine) -> None:
        """A first line where the ``{`` of ``block`` was expected."""
        if block in self._blocks:
            self._structure.missing_open(block, line, ())

    def end(self, block: str) -> None:
        """The end of a block."""
        self._tell("")
        if block == self._lost:
            self._lost = ""

    def _tell(self, more: str) -> None:
        if self._pending is None:
            return
        block, line = self._pending
        self._pending = None
        word = line.words[0]
        near = nearest(word, self._blocks[block])
        advice = f"did you mean {near}?" if near else "correct or remove it"
        message = f"{word!r} means nothing in {block}, and keepalived drops it{more}: {advice}"
        self._problems.append(Problem(line.origin, message, marks_named(line.words)))
