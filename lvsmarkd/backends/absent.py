"""What is seen where a firewall should keep the rules, and neither it nor its rules are there."""

from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.observed import Observed


def down(sentence: str) -> Observed:
    """Nothing of ours is in force, and that is known: no write, and an alarm."""
    finding = Finding(Kind.BROKEN, sentence, "no rule of ours is in force", subject="down")
    return Observed({}, remarks=(finding,), inert=sentence)
