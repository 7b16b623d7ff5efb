"""Changes of configuration as they are reviewed: read from revisions without running anything, and posted to forges."""
