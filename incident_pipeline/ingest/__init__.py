"""Take evidence in: bundles as folders or archives, and alerts from an inbox. Input is hostile."""
