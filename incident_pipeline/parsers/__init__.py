"""Read artifacts into the event table: one file per format family."""
