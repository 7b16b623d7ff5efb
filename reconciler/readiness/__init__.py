"""Gates: what must be seen to hold before a step may run."""
