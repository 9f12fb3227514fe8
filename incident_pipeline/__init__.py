"""Turn the evidence of an outage into a postmortem that a sceptic can check, byte by byte."""

__version__ = "0.1.0"
