"""The command line: one file per verb, flags in, exit code out."""
