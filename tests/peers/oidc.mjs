// panva's oidc-provider in three parts: an external authorization server, and on a second port an Okta-like org at
// the root with a custom authorization server under /oauth2/aus1. Only the two grants' names are ours.
import http from 'node:http';
import Provider from 'oidc-provider';

const [secret, callback] = process.argv.slice(2);
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const CUSTOM = '/oauth2/aus1';

function open(server) {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)));
}

function client(id, method) {
  return { client_id: id, client_secret: secret, redirect_uris: [callback], response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: method };
}

function withGrant(provider, grant) {
  provider.registerGrantType(grant, async (ctx) => {
    ctx.status = 400;
    ctx.body = { error: 'invalid_grant' };
  }, ['assertion']);
  return provider;
}

const external = http.createServer();
const externalUrl = await open(external);
const externalProvider = new Provider(externalUrl, {
  clients: [client('app-1', 'client_secret_post'), client('app-basic', 'client_secret_basic')],
  features: { devInteractions: { enabled: false }, revocation: { enabled: true }, introspection: { enabled: true },
    registration: { enabled: true }, registrationManagement: { enabled: true } },
  pkce: { required: () => true },
  interactions: { url: () => '/login' },
});
external.on('request', externalProvider.callback());

const org = http.createServer();
const orgUrl = await open(org);
const orgProvider = withGrant(new Provider(orgUrl, {
  discovery: { identity_chaining_requested_token_types_supported: ['urn:ietf:params:oauth:token-type:id-jag'] },
}), TOKEN_EXCHANGE).callback();
const customProvider = withGrant(new Provider(orgUrl + CUSTOM, {
  clientAuthMethods: ['private_key_jwt', 'client_secret_basic', 'none'],
  discovery: { authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'] },
}), JWT_BEARER).callback();
org.on('request', (req, res) => {
  if (req.url === CUSTOM || req.url.startsWith(CUSTOM + '/')) {
    req.originalUrl = req.url;
    req.url = req.url.slice(CUSTOM.length) || '/';
    customProvider(req, res);
  } else {
    orgProvider(req, res);
  }
});

console.log(JSON.stringify({ external: externalUrl, org: orgUrl }));
process.stdin.on('end', () => process.exit(0)).resume(); // ends with whoever started it
