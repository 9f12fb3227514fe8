"""The rules of OpenMetrics 1.0 that reach over lines: families, metrics, points.

(https://prometheus.io/docs/specs/om/open_metrics_spec/.) A family is announced once, holds its samples
together and owns the names that its type makes of its name; a metric (one label set) holds its points
together, in the order of time; a point of a histogram or summary must agree with itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from incident_pipeline.parsers.formats.exposition_lines import Labelled

SUFFIXES: Final[dict[str, tuple[str, ...]]] = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "info": ("_info",),
    "stateset": ("",),
    "summary": ("", "_count", "_sum", "_created"),
    "unknown": ("",),
}
"""What a type puts behind the name of its family."""
POINTED: Final = ("histogram", "gaugehistogram", "summary")
"""Types whose points are made of several samples."""
_WITHOUT_UNIT: Final = ("info", "stateset")
_NEVER_NAN: Final = ("_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum")
_NEVER_NEGATIVE: Final = ("_total", "_created", "_bucket", "_count", "_sum", "_gcount")
_WHOLE: Final = ("_bucket", "_count", "_gcount")
_MAX_EXEMPLAR: Final = 128


class RuleError(ValueError):
    """A line breaks a rule; the text says which."""


class Measured(NamedTuple):
    """A sample as the rules see it."""

    suffix: str
    group: str
    value: float
    time_ns: int | None
    is_timed: bool
    threshold: float | None
    series: str


@dataclass
class Point:
    """The samples of one metric at one time."""

    buckets: list[tuple[float, float]] = field(default_factory=list)
    count: float | None = None
    sum: float | None = None

    def add(self, sample: Measured) -> None:
        """Take a sample."""
        if sample.suffix == "_bucket" and sample.threshold is not None:
            self.buckets.append((sample.threshold, sample.value))
        elif sample.suffix in ("_count", "_gcount"):
            self.count = sample.value
        elif sample.suffix in ("_sum", "_gsum"):
            self.sum = sample.value

    def problem(self, kind: str) -> str | None:
        """Say what is wrong with a point that is complete."""
        if kind == "summary":
            return None
        bounds = [bound for bound, _ in self.buckets]
        counts = [count for _, count in self.buckets]
        has_negative = bool(bounds) and min(bounds) < 0
        rules = (
            (math.inf in bounds, "a histogram without a +Inf bucket"),
            (all(a < b for a, b in pairwise(bounds)), "buckets out of order"),
            (all(a <= b for a, b in pairwise(counts)), "buckets that are not cumulative"),
            ((self.sum is None) == (self.count is None), "a sum without a count, or a count without a sum"),
            (self.count is None or self.count == counts[-1:][0] if counts else True,
             "a count that is not that of the +Inf bucket"),
            (kind != "histogram" or self.sum is None or not has_negative,
             "a sum beside buckets below zero"),
            (kind != "gaugehistogram" or self.sum is None or self.sum >= 0 or has_negative,
             "a negative sum without buckets below zero"),
        )  # fmt: skip
        return next((reason for holds, reason in rules if not holds), None)


@dataclass
class Family:
    """A metric family while its lines are read."""

    name: str
    kind: str = "unknown"
    unit: str | None = None
    described: set[str] = field(default_factory=set)
    has_samples: bool = False
    group: str | None = None
    seen_groups: set[str] = field(default_factory=set)
    seen_series: set[str] = field(default_factory=set)
    time_ns: int | None = None
    is_timed: bool = False
    suffixes: dict[str, str] = field(default_factory=dict)
    """The sample names it owns, each with its suffix."""

    def __post_init__(self) -> None:
        """Own the names of a family that no TYPE was given for."""
        self.suffixes = {self.name + suffix: suffix for suffix in SUFFIXES[self.kind]}

    def describe(self, what: str, text: str) -> None:
        """Take a TYPE, HELP or UNIT line.

        Raises:
            RuleError: it comes twice, after samples, or says what can't be.
        """
        if self.has_samples:
            raise RuleError(f"{what} after the samples of {self.name}")
        if what in self.described:
            raise RuleError(f"{what} of {self.name} twice")
        self.described.add(what)
        if what == "TYPE":
            if text not in SUFFIXES:
                raise RuleError(f"{text[:40]!r} is no type")
            self.kind = text
            self.suffixes = {self.name + suffix: suffix for suffix in SUFFIXES[text]}
        elif what == "UNIT":
            if text and not self.name.endswith("_" + text):
                raise RuleError(f"the name {self.name[:80]!r} does not end in its unit {text[:40]!r}")
            self.unit = text or None
        if self.unit and self.kind in _WITHOUT_UNIT:
            raise RuleError(f"a unit of type {self.kind}")

    def begins_point(self, sample: Measured) -> bool:
        """Tell whether a sample begins a new point: of another metric, or at another time."""
        return sample.group != self.group or sample.time_ns != self.time_ns

    def take(self, sample: Measured) -> None:
        """Take the next sample.

        Raises:
            RuleError: it can't come here.
        """
        self.has_samples = True
        if sample.group != self.group:
            if sample.group in self.seen_groups:
                raise RuleError("the samples of a metric are not together")
            self.seen_groups.add(sample.group)
            self.group = sample.group
            self.is_timed, self.time_ns = sample.is_timed, sample.time_ns
            self.seen_series.clear()
        elif sample.is_timed != self.is_timed:
            raise RuleError("samples of a metric with and without a time")
        elif sample.time_ns != self.time_ns:
            if (sample.time_ns or 0) < (self.time_ns or 0):  # a time of zero counts as unknown
                raise RuleError("times of a metric go backwards")
            self.time_ns = sample.time_ns
            self.seen_series.clear()
        elif not sample.is_timed and sample.series in self.seen_series:
            raise RuleError("a sample twice")
        self.seen_series.add(sample.series)


def group_of(kind: str, family: str, suffix: str, series: Labelled) -> tuple[str, float | None]:
    """Give the metric that a sample belongs to, as text, and the threshold of a bucket.

    Raises:
        RuleError: a label that its type needs is missing or wrong.
    """
    labels = series.labels
    special: str | None = None
    threshold: float | None = None
    if suffix == "_bucket":
        special = "le"
        threshold = _bound(labels.get("le"))
        if threshold is None:
            raise RuleError("a bucket without a threshold in its label le")
    elif kind == "summary" and suffix == "":
        special = "quantile"
        threshold = _bound(labels.get("quantile"))
        if threshold is None or not 0 <= threshold <= 1:
            raise RuleError("a quantile that is not between 0 and 1")
    elif kind == "stateset":
        special = family
        if family not in labels:
            raise RuleError("a state without the label of its set")
    elif kind == "info":
        return "", None
    return "\0".join(f"{key}\1{labels[key]}" for key in sorted(labels) if key != special), threshold


def check_value(kind: str, suffix: str, value: float) -> None:
    """Check a value by itself.

    Raises:
        RuleError: its type doesn't allow it.
    """
    if kind == "stateset" and value not in (0, 1):
        raise RuleError("a state that is neither 0 nor 1")
    if kind == "info" and value != 1:
        raise RuleError("an info that is not 1")
    if suffix:
        if value != value and suffix in _NEVER_NAN:  # noqa: PLR0124 - NaN
            raise RuleError(f"a {kind}{suffix} that is no number")
        if value < 0 and suffix in _NEVER_NEGATIVE and not (kind == "gaugehistogram" and suffix == "_gsum"):
            raise RuleError(f"a negative {kind}{suffix}")
        if suffix in _WHOLE and not value.is_integer():
            raise RuleError(f"a {kind}{suffix} that is not whole")
    elif kind == "summary" and value < 0:
        raise RuleError("a negative quantile")


def check_exemplar(kind: str, suffix: str, labels: dict[str, str]) -> None:
    """Check that an exemplar may stand here, and is not too long.

    Raises:
        RuleError: it may not, or is.
    """
    if suffix != "_bucket" and not (kind == "counter" and suffix == "_total"):
        raise RuleError("an exemplar on a sample that is neither a bucket nor a total")
    if sum(len(key) + len(value) for key, value in labels.items()) > _MAX_EXEMPLAR:
        raise RuleError(f"an exemplar of more than {_MAX_EXEMPLAR} characters")


def _bound(text: str | None) -> float | None:
    """Give a threshold; None where there is none."""
    if text is None or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return None if value != value else value  # noqa: PLR0124 - NaN
