"""Deciding: changes a reviewer can judge, lowered into steps an executor can walk, in one document."""
