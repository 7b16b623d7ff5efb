"""Every check by its id: what it looks at, why, what to do about it, where the rule comes from, and what it needs."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class Check(NamedTuple):
    """`kind` is the resource it is about (`host`: any host that was asked). A check that `blocks` keeps a resource
    from being activated unless it passes or warns. `needs` are the checks of the same resource that must have passed
    or warned before it means anything. A `deep` check is made only when asked for."""

    id: str
    kind: str
    blocks: bool
    what: str
    why: str
    remedy: str
    spec: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    deep: bool = False


_8414, _9728, _6749, _7591 = "RFC 8414", "RFC 9728", "RFC 6749", "RFC 7591"
_MCP = "MCP authorization 2026-07-28"
_ID_JAG = "draft-ietf-oauth-identity-assertion-authz-grant"
_AUS, _ROW, _CLIENT, _SERVER, _HOST = (
    "authorization_server",
    "association",
    "client_registration",
    "mcp_server",
    "host",
)
_META, _EMETA, _EISSUER = ("aus.metadata",), ("eas.metadata",), ("eas.metadata", "eas.issuer")

_ALL = (
    # What was noticed about the hosts on the way. These never block: the check that needed the answer does.
    Check("net.url", _HOST, False, "Every URL is an https URL without oddities.",
          "Most URLs a probe follows are chosen by the other side.",
          "Correct the URL where it is configured or published.", ("RFC 9728 section 7.7",)),
    Check("net.egress", _HOST, False, "Every address connected to may be connected to.",
          "A stranger's metadata must not make this machine call its own network.",
          "If the host is yours and private, allow its network for that host.", ("RFC 9728 section 7.7",)),
    Check("net.dns", _HOST, False, "Every host name exists.", "Okta can't reach a host that has no address.",
          "Correct the host name, or publish it in DNS."),
    Check("net.tls", _HOST, False, "Every certificate is valid for its host, and for two weeks to come.",
          "Okta refuses a host whose certificate is not valid.",
          "Renew the certificate, with its whole chain; for a private authority name its CA file.", ("RFC 9525",)),
    Check("net.http", _HOST, False, "Every host answers in time and without a failure of its own.",
          "Without an answer nothing can be found out.", "Try again later; see whether the host is up."),
    Check("net.redirect", _HOST, False, "No metadata or endpoint answers with a redirect.",
          "Redirects are not followed: they can lead anywhere.",
          "Publish the document, or configure the endpoint, at the final URL.", ("RFC 8414 section 3.2",)),
    # Okta custom authorization servers: Cross-App Access.
    Check("aus.exists", _AUS, True, "The authorization server is there and ACTIVE in Okta.",
          "Only an active one issues tokens.", "Create or activate it; run plan to see how."),
    Check("aus.metadata", _AUS, True, "It publishes its metadata.", "MCP clients find its endpoints there.",
          "Check its issuer URI and custom domain.", (f"{_8414} section 3", "OpenID Connect Discovery 1.0"),
          ("aus.exists",)),
    Check("aus.issuer", _AUS, True, "The metadata names exactly the issuer it was asked for.",
          "Another issuer is another authorization server (mix-up).",
          "Use the issuer exactly as the metadata prints it.", (f"{_8414} section 3.3",), _META),
    Check("aus.endpoints", _AUS, True, "Its token endpoint is an https URL on the issuer's own host.",
          "Credentials go there.", "Correct the custom domain, or allow the token host.",
          ("RFC 9700",), _META),
    Check("aus.token", _AUS, True, "The token endpoint refuses a worthless assertion as OAuth says.",
          "One that doesn't understand the grant, or accepts anything, can't be used.",
          "Enable the jwt-bearer grant, and see that the URL is a token endpoint.", ("RFC 7523",), _META),
    Check("aus.grant.jwt_bearer", _AUS, True, "It takes the jwt-bearer grant.",
          "The second leg of Cross-App Access is that grant.", "Enable JWT Bearer in a rule of its access policy.",
          (_ID_JAG, "RFC 7523"), _META),
    Check("aus.profile.idjag", _AUS, False, "It says that it takes ID-JAGs.",
          "Clients may look for it before they try.", "Nothing, if access works: publishing it is recommended only.",
          (f"{_ID_JAG} section 7",), _META),
    Check("aus.jwks", _AUS, True, "It publishes public signing keys of sufficient strength.",
          "MCP servers verify its tokens with them.", "Rotate the keys; never publish private or shared ones.",
          ("RFC 7517", "RFC 8725"), _META),
    Check("aus.authmethod", _AUS, False, "Clients may authenticate by private_key_jwt.",
          "Agents do.", "Allow private_key_jwt for its clients.", ("RFC 7523", f"{_8414} section 2"), _META),
    Check("aus.scopes", _AUS, True, "The scopes its policy grants exist.", "A token request for others is refused.",
          "Add the scopes to the authorization server, or remove them from its access policy.",
          (f"{_6749} section 3.3",), ("aus.exists",)),
    Check("aus.policy", _AUS, True, "An access policy rule admits clients by the jwt-bearer grant.",
          "Without one every token request is denied.", "Give access_policy clients and the jwt-bearer grant.",
          ("Okta: access policies",), ("aus.exists",)),
    Check("aus.audience", _ROW, False, "Its audience is the MCP server's resource identifier.",
          "MCP servers accept tokens made for them only.",
          "Set audiences to the resource_url; an ID-JAG with a resource overrides it too.", ("RFC 8707", _ID_JAG)),
    Check("org.idjag", _AUS, False, "The Okta org mints ID-JAGs.", "The first leg of Cross-App Access happens there.",
          "Subscribe to and enable Cross App Access in the org.", (_ID_JAG, "RFC 8693")),
    # External authorization servers: Okta's secure token service.
    Check("eas.config", _ROW, True, "Issuer, endpoints and grants are complete.",
          "Okta finds an incomplete one INVALID.", "Give the issuer, both endpoints, and authorization_code.",
          ("Okta: MCP servers guide",)),
    Check("eas.metadata", _ROW, False, "It publishes its metadata.",
          "What is configured by hand can be compared with it.", "Check the issuer: it is where metadata is found.",
          (f"{_8414} section 3", "OpenID Connect Discovery 1.0"), ("eas.config",)),
    Check("eas.issuer", _ROW, True, "The metadata names exactly the issuer it was asked for.",
          "Another issuer is another authorization server (mix-up).",
          "Set issuer to what the metadata prints; it is compared character by character.",
          (f"{_8414} section 3.3", "RFC 9207"), _EMETA),
    Check("eas.endpoints.match", _ROW, True, "The configured endpoints are those of the metadata.",
          "Users and credentials must not be sent to somebody else.",
          "Copy authorization_endpoint and token_endpoint from the metadata.", (f"{_8414} section 2",), _EMETA),
    Check("eas.response_type", _ROW, True, "It offers the code response type.", "Okta runs the code flow.",
          "Enable the authorization code flow there.", (f"{_8414} section 2",), _EISSUER),
    Check("eas.grants", _ROW, True, "It offers the grants that are configured.", "Okta uses those grants.",
          "Enable them there, or remove them from grant_types.", (f"{_8414} section 2",), _EISSUER),
    Check("eas.pkce", _ROW, False, "It supports PKCE with S256.", "MCP clients refuse one that doesn't.",
          "Enable PKCE with S256 there.", ("RFC 7636", "RFC 9700"), _EISSUER),
    Check("eas.authz.reach", _ROW, True, "The authorization endpoint answers.", "Users sign in and consent there.",
          "Correct authorization_endpoint.", (f"{_6749} section 3.1",), ("eas.config",)),
    Check("eas.token.reach", _ROW, True, "The token endpoint refuses a worthless code as OAuth says.",
          "One that doesn't is no token endpoint, or gives tokens away.", "Correct token_endpoint.",
          (f"{_6749} section 5.2",), ("eas.config",)),
    Check("eas.authmethod", _ROW, True, "Clients may authenticate with a secret.", "Okta does.",
          "Allow client_secret_basic or client_secret_post there.", (f"{_8414} section 2",), _EISSUER),
    Check("eas.iss", _ROW, False, "It names itself in authorization responses.", "That uncovers mix-up attacks.",
          "Enable RFC 9207 there, if it can.", ("RFC 9207",), _EISSUER),
    Check("eas.revocation", _ROW, False, "It has a revocation endpoint.",
          "Without one a token lives until it expires, whatever Okta does.", "Enable token revocation there.",
          ("RFC 7009",), _EISSUER),
    Check("eas.jwks", _ROW, False, "The signing keys it publishes are public and strong.",
          "Whoever verifies its tokens relies on them.", "Rotate the keys; never publish private or shared ones.",
          ("RFC 7517",), _EISSUER),
    Check("eas.dcr", _ROW, True, "Clients can register themselves, where a registration is dynamic.",
          "Okta registers itself there.", "Use method: static, or have the authorization server open registration.",
          (_7591, "RFC 7592"), ("eas.config",)),
    # Client registrations.
    Check("client.secret.ref", _CLIENT, True, "The secret is there and looks like one.",
          "A missing or made-up secret is refused by the authorization server.",
          "Set what the reference names to the client secret that the authorization server issued.",
          (f"{_6749} section 10.10",)),
    Check("client.issuer_binding", _CLIENT, True, "The credentials belong to the authorization server they are for.",
          "Credentials shown to another one are stolen credentials.",
          "Run plan: the registration is replaced.", ("SEP-2352", _MCP)),
    Check("client.credentials", _CLIENT, True, "The authorization server knows this client id and secret.",
          "With wrong ones no agent gets a token.", "Copy client_id and secret again from the authorization server.",
          ("RFC 7009", "RFC 7662", f"{_6749} section 5.2"), ("client.secret.ref", "client.issuer_binding")),
    Check("client.redirect_uri", _CLIENT, False, "Okta's callback is registered as a redirect URI of the client.",
          "After consent users are sent back there.", "Add the callback URI to the client's redirect URIs.",
          (f"{_6749} section 3.1.2", "RFC 9700"), ("client.issuer_binding",)),
    Check("client.expiry", _CLIENT, True, "The secret is good for two weeks and more.",
          "At its expiry access stops for everybody.", "Rotate the secret, and raise client_secret_version.", (_7591,)),
    Check("client.scopes", _CLIENT, False, "The scopes asked for are among those published.",
          "Unknown scopes are refused or dropped.", "Correct scopes; what is published is not always all.",
          (f"{_6749} section 3.3",), ("client.issuer_binding",)),
    # MCP servers.
    Check("mcp.url", _SERVER, True, "The resource URL is in canonical form.",
          "It is compared character by character, and can't be changed later.",
          "Write scheme and host in lower case, without a fragment or a needless final slash.", ("RFC 8707", _MCP)),
    Check("mcp.challenge", _SERVER, True, "Without a token the server answers 401 with a Bearer challenge.",
          "That is how clients learn to authorize; a server that answers anyone protects nothing.",
          "Turn authorization on in the MCP server, and see that the URL is its MCP endpoint.",
          (_MCP, "RFC 6750 section 3"), ("mcp.url",)),
    Check("mcp.prm", _SERVER, True, "It publishes protected resource metadata.",
          "Clients, and Okta for a discovered server, find its authorization servers there.",
          "Publish /.well-known/oauth-protected-resource followed by the server's path.", (f"{_9728} section 3", _MCP),
          ("mcp.url",)),
    Check("mcp.prm.resource", _SERVER, True, "The metadata is about this very server.",
          "Tokens are made for the resource it names.", "Publish the resource exactly as resource_url says, or the "
          "other way round.", (f"{_9728} section 3.3",), ("mcp.prm",)),
    Check("mcp.prm.as", _SERVER, True, "The metadata lists the attached authorization servers.",
          "The server accepts tokens from those it lists.", "Attach what it lists, or have it list what is attached.",
          (f"{_9728} section 2", _MCP), ("mcp.prm",)),
    Check("mcp.prm.scopes", _SERVER, False, "The scopes configured are among those it lists.",
          "Others may mean nothing to it.", "Correct the scopes.", (f"{_9728} section 2",), ("mcp.prm",)),
    Check("mcp.token_rejection", _SERVER, True, "It refuses a made-up token.",
          "A server that takes any token protects nothing.", "Have the MCP server validate access tokens.",
          (_MCP, "RFC 6750 section 3.1"), ("mcp.challenge",)),
    Check("mcp.protocol", _SERVER, False, "It speaks a current revision of MCP.",
          "Clients drop old revisions and the HTTP+SSE transport.", "Upgrade the server's MCP SDK.",
          ("MCP 2026-07-28 transports",), ("mcp.challenge",)),
    Check("mcp.origin", _SERVER, False, "It refuses requests from unknown web origins.",
          "Otherwise a web page can talk to it by DNS rebinding.", "Have the server check the Origin header.",
          ("MCP 2026-07-28 transports",), ("mcp.challenge",), True),
    Check("mcp.metadata_drift", _SERVER, False, "What it publishes is what it published at its activation.",
          "A changed issuer or endpoint is how an attack looks.",
          "Find out who changed it; run plan and apply if it is right.",
          (f"{_9728} section 7",), ("mcp.prm",)),
    Check("mcp.connectable", _SERVER, True, "An authorization server is active by which agents get tokens for it.",
          "It needs one that supports Cross-App Access (XAA) or Okta's token service (STS).",
          "Mend one of its authorization servers; what is wrong with each is said there.",
          ("Okta: MCP servers guide",)),
)  # fmt: skip

CHECKS = MappingProxyType({check.id: check for check in _ALL})
