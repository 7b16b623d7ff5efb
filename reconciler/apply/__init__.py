"""Doing: walk the plan's step graph, journalling every write, and say what came of it."""
