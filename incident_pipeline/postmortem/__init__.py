"""Assemble the postmortem and its ledger, and render them."""
