"""The words everything else is written in: addresses, lifecycles, diagnostics, resources, snapshots. Pure values."""
