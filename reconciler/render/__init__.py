"""Turning values into text and JSON for people and programs. Pure: a value in, a string out."""
