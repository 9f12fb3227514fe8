"""The incident as one picture: phases, traffic, lanes, bands, marks and pins, laid out as plain numbers."""

from __future__ import annotations

from incident_pipeline.postmortem.chart.build import Chart, build_chart

__all__ = ["Chart", "build_chart"]
