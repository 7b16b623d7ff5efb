"""The command line: one file for each verb, flags in and exit code out."""
