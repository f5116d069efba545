"""Refusals: one sentence that says what was found, what was expected, what to write."""

import json
from collections.abc import Iterable

_LONGEST_SHOWN = 80
_LARGEST_SHOWN = 10**30


class RefusalError(ValueError):
    """A value that cannot be followed; ``str()`` is the sentence, without the place.

    ``found`` is the value as it was read, ``expected`` a noun phrase, ``hint`` what to do.
    """

    def __init__(self, found: object, expected: str, hint: str = "") -> None:
        ending = f" ({hint})" if hint else ""
        super().__init__(f"found {shown(found)}, expected {expected}{ending}")


def shown(found: object) -> str:
    """A value as the operator wrote it, or nearly so; never long, never with control bytes."""
    match found:
        case None:
            return "nothing"
        case bool():
            return str(found).lower()
        case str():
            short = found if len(found) <= _LONGEST_SHOWN else found[: _LONGEST_SHOWN - 1] + "…"
            return json.dumps(short, ensure_ascii=not short.isprintable())
        case dict():
            return "a table"
        case []:
            return "an empty list"
        case list():
            return "a list"
        case int() if abs(found) >= _LARGEST_SHOWN:
            return "a number with far too many digits"
        case _:
            return str(found)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` is probably a misspelling of."""
    if len(word) > _LONGEST_SHOWN:
        return None
    from difflib import get_close_matches  # noqa: PLC0415 - seldom needed

    folded = {_folded(each): each for each in known}
    close = get_close_matches(_folded(word), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


def either(words: Iterable[str]) -> str:
    """``"a", "b" or "c"``."""
    quoted = [shown(word) for word in words]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))
