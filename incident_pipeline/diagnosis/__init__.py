"""Name what went wrong: onset, service graph, changes, ranking and hypotheses, all deterministic."""
