"""Put every event in one defensible order: dedupe, causal depth, key entries and narrative."""
