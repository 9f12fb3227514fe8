"""What timeline, diagnosis and retrieval all read: log templates, series and span measures."""
