"""What a campaign is about: the services of generated configurations, or their vrrp_instances."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.comparison import Comparison, compare, compare_instances
from tests.fuzz.configuration import Configuration
from tests.fuzz.generator import generate, generate_instances
from tests.fuzz.vocabulary import CONFIG_ID
from tests.keepalived.instances import InstancesOracle
from tests.keepalived.oracle import Oracle
from tests.keepalived.standing import StandingKeepalived, StandingOracle


class Asked(ABC):
    """A keepalived that stands by, to be compared with."""

    standing: StandingKeepalived

    @abstractmethod
    def compare(self, configuration: Configuration) -> Comparison:
        """Put a configuration to both."""

    def close(self) -> None:
        """Let it end."""
        self.standing.close()


class _AskedForServices(Asked):
    def __init__(self, oracle: Oracle, directory: Path) -> None:
        self.standing: StandingOracle = StandingOracle(oracle, directory, CONFIG_ID)

    def compare(self, configuration: Configuration) -> Comparison:
        return compare(configuration, self.standing)


class _AskedForInstances(Asked):
    def __init__(self, oracle: Oracle, directory: Path) -> None:
        self.standing: InstancesOracle = InstancesOracle(oracle, directory, CONFIG_ID)

    def compare(self, configuration: Configuration) -> Comparison:
        return compare_instances(configuration, self.standing)


@dataclass(frozen=True, slots=True)
class Subject:
    """How its configurations come about, and who answers; the answerer gets an empty directory."""

    name: str
    generate: Callable[[str], Configuration]
    standing: Callable[[Oracle, Path], Asked]


SERVICES = Subject("services", generate, _AskedForServices)
INSTANCES = Subject("instances", generate_instances, _AskedForInstances)
