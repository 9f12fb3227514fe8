"""The one partition dimension: an incident, by its folded id."""

import dagster as dg

incidents = dg.DynamicPartitionsDefinition(name="incident")
