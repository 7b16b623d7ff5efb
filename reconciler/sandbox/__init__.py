"""An emulator of the Okta APIs this tool uses, with its own rules and database."""
