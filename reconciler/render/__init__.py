"""From values to text, JSON and reports; nothing here decides or performs."""
