"""A configuration in which the tool itself registers a client, by RFC 7591, whose secret is answered once."""

HUB = """\
version: 1
provider: {sandbox: {settle_seconds: 0, world: sandbox/world.yaml}}
authorization_servers:
  hub:
    type: external
    issuer: https://hub.example.com
    authorization_endpoint: https://hub.example.com/authorize
    token_endpoint: https://hub.example.com/token
    registration_endpoint: https://hub.example.com/register
client_registrations:
  hub-app: {authorization_server: hub, method: dynamic, registrar: tool, credentials_file: kept/hub.json}
mcp_servers:
  hub: {resource_url: https://mcp.hub.example.com/mcp, authorization_servers: [hub]}
"""
