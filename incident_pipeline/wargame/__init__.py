"""Replay recorded incidents as a backfill and report by run statuses."""
