"""The readings of each round."""

from dataclasses import dataclass, field

from bench.client import Sample
from bench.live import Push


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the result: a workload at a number of clients."""

    workload: str
    clients: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of one case, with the CPU that it took: in seconds, of all requests together.

    `others_cpu` is what went to neither of the three: on a quiet machine next to nothing.
    """

    sample: Sample
    server_cpu: float
    postgres_cpu: float
    client_cpu: float
    others_cpu: float


@dataclass(slots=True)
class Result:
    """All readings, by case, and all pushes, by round."""

    readings: dict[Case, list[Reading]] = field(default_factory=dict)
    pushes: list[list[Push]] = field(default_factory=list)

    @property
    def others_percent(self) -> float:
        """The CPU of other processes meanwhile, in percent of one core."""
        readings = [item for of_case in self.readings.values() for item in of_case]
        seconds = sum(item.sample.seconds for item in readings)
        return 100 * sum(item.others_cpu for item in readings) / seconds
