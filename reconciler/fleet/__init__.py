"""Many workspaces looked at in one run."""
