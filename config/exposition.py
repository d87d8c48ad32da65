"""The text in which Prometheus reads metrics, written by its own library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Metric:
    name: str
    # "gauge" or "counter", whose name ends in "_total".
    kind: str
    help: str
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def set(self, value: float, **labels: str) -> None:
        """The labels' names are the same each time."""
        self.samples.append((labels, value))

    def family(self) -> CounterMetricFamily | GaugeMetricFamily:
        names = list(self.samples[0][0])
        made = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = made(self.name, self.help, labels=names)
        for labels, value in self.samples:
            family.add_metric([labels[name] for name in names], value)
        return family


class _Told(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        return [metric.family() for metric in self._metrics if metric.samples]


def written(metrics: Iterable[Metric]) -> str:
    """Metrics without a sample are left out."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(list(metrics)))
    return generate_latest(registry).decode()
