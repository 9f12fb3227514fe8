"""Which log records are signs of trouble: errors, and messages that the calm never logged.

Records are no measurements: quiet services log nothing for minutes, and what they log may be a reaction
that comes late. So records vote for the onset only where neither a series nor a span deviates
(`onset.py`); what they say of a component is another analysis (`novelty.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Severity
from incident_pipeline.signals.attributes import Coded, coded, integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.signals.tables import IncidentTables
    from incident_pipeline.signals.templates import Templates

_RECURS: Final = 5
"""A new message that comes less often is chatter: start-ups, nightly jobs, one odd request."""


@dataclass(frozen=True)
class LogSigns:
    """Timed records of named services in order of time; all arrays have one entry per record."""

    time: NDArray[np.int64]
    service: Coded
    reference: NDArray[np.bool_]
    error: NDArray[np.bool_]
    template: NDArray[np.int64]

    def __len__(self) -> int:
        """Give the number of records."""
        return len(self.time)

    def own_times(self) -> NDArray[np.int64]:
        """Give the times of the incident's own records, sorted."""
        return self.time[~self.reference]

    def telling(self, calm: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say, per record, whether it is an error, or of a template that recurs but never in the calm."""
        width = int(self.template.max(initial=0)) + 1
        known = np.bincount(self.template[calm], minlength=width) > 0
        often = np.bincount(self.template[~calm], minlength=width) >= _RECURS
        return np.asarray(self.error | (often & ~known)[self.template], dtype=bool)


def read_log_signs(tables: IncidentTables, records: Templates) -> LogSigns:
    """Read the signs out of the event table; records without a time or a service are left out."""
    table = tables.events.select(["time_ns", "service", "severity", "artifact_sha256"]).take(
        pa.array(records.rows)
    )
    time, service = integers(table.column("time_ns"), -1), coded(table.column("service"))
    digests = pa.array([a.sha256 for a in tables.evidence.artifacts if a.role == "reference"], pa.string())
    reference = pc.is_in(table.column("artifact_sha256").cast(pa.string()), digests)
    usable = np.flatnonzero((time >= 0) & (service.codes >= 0))
    order = usable[np.argsort(time[usable], kind="stable")]
    severity = integers(table.column("severity").cast(pa.int64()), 0)
    return LogSigns(
        time=time[order],
        service=Coded(service.codes[order], service.names),
        reference=np.asarray(reference.to_numpy(zero_copy_only=False), dtype=bool)[order],
        error=(severity >= Severity.ERROR)[order],
        template=records.codes[order],
    )
