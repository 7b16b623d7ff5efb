"""Where snapshots and journals are kept."""
