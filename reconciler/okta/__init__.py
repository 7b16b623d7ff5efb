"""The live system: Okta for AI Agents, spoken to over HTTP."""
