"""Telling others that the state of a workspace has changed: once for each change."""
