"""From YAML text to typed, located resources, or every located reason why not."""
