"""Secrets: reading them, as late as possible, from where their references point, and telling one value from another."""
