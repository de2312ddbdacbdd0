"""The page, scripts and styles of the OpenAPI UI (`gateway.http.docs`), with places for values of ours."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>MedMij gateway: API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="stylesheet" href="/docs/start.css">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<nav aria-label="Providers and services">
<p>Provider: %(providers)s</p>
<details%(open)s><summary>Service: %(chosen)s</summary><ul>%(services)s</ul></details>
</nav>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The document itself is at <a href="%(document)s">%(document)s</a>.</noscript>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js?%(query)s"></script>
</body>
</html>
"""

START = """"use strict";
const ui = SwaggerUIBundle({
  url: %(document)s,
  dom_id: "#swagger-ui",
  deepLinking: false,
  docExpansion: "none",
  defaultModelsExpandDepth: -1,
  tryItOutEnabled: true,
  oauth2RedirectUrl: %(redirect)s,
  requestInterceptor: (request) => {
    request.headers["MedMij-Request-ID"] = crypto.randomUUID();
    request.headers["X-Correlation-ID"] = %(correlation)s;
    if (request.url.includes("/oauth/token?")) {
      // The UI repeats the parameters of the authorization request; here parameters stand in the body only.
      request.url = request.url.split("?")[0];
    }
    return request;
  }
});
// What Swagger UI leaves without a name for a screen reader (WCAG 4.1.2) gets one as soon as it appears.
new MutationObserver(() => {
  for (const one of document.querySelectorAll(".close-modal:not([aria-label])")) {
    one.setAttribute("aria-label", "Close");
  }
  for (const one of document.querySelectorAll("#swagger-ui select:not([aria-label])")) {
    const name = one.closest("tr")?.querySelector(".parameter__name")?.firstChild?.textContent;
    one.setAttribute("aria-label", one.id === "servers" ? "Server" : name || "Media type");
  }
}).observe(document.getElementById("swagger-ui"), {childList: true, subtree: true});
ui.initOAuth({
  clientId: %(client)s,
  scopes: %(scopes)s,
  additionalQueryStringParams: {"MedMij-Request-ID": %(request)s, "X-Correlation-ID": %(correlation)s}
});
// The screens of the authorization server cut the tie between the two windows (Cross-Origin-Opener-Policy), so
// the answer comes over a channel of this origin.
new BroadcastChannel("gateway-docs").onmessage = (event) => {
  const oauth2 = window.swaggerUIRedirectOauth2;
  if (!oauth2) {
    return;
  }
  const answer = new URLSearchParams(event.data);
  const auth = oauth2.auth;
  if (answer.get("state") !== oauth2.state) {
    return;
  }
  if (answer.get("code")) {
    delete oauth2.state;
    auth.code = answer.get("code");
    oauth2.callback({auth: auth, redirectUrl: oauth2.redirectUrl});
  } else {
    const message = answer.get("error_description") || answer.get("error") || "no code";
    oauth2.errCb({authId: auth.name, source: "auth", level: "error", message: message});
  }
};
"""

STYLE = """/* Swagger UI with enough contrast (WCAG 1.4.3), room for a finger (2.5.8), and words that fit a phone. */
.swagger-ui .info .title small { background: #4a5568; }
.swagger-ui .info .title small.version-stamp { background: #3d6b00; }
.swagger-ui a, .swagger-ui .scopes h2 a, .swagger-ui .link { color: #1d5a96; }
.swagger-ui .info a, .swagger-ui .info .url { color: #1d5a96; }
.swagger-ui .btn.authorize, .swagger-ui .btn.authorize span { color: #17693f; border-color: #17693f; }
.swagger-ui .btn.cancel { color: #b3261e; border-color: #b3261e; }
.swagger-ui .btn.execute { background: #1d5a96; border-color: #1d5a96; }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1d5a96; }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #17693f; }
.swagger-ui .parameter__name.required::after, .swagger-ui .parameter__name.required span { color: #b3261e; }
.swagger-ui .parameter__in, .swagger-ui .parameter__type, .swagger-ui .prop-format { color: #4a5568; }
.swagger-ui .response-control-media-type__accept-message { color: #17693f; }
.swagger-ui .copy-to-clipboard, .swagger-ui .view-line-link.copy-to-clipboard { min-width: 24px; min-height: 24px; }
.swagger-ui .copy-to-clipboard button { min-width: 24px; min-height: 24px; }
.swagger-ui :focus-visible { outline: 3px solid #1d5a96; outline-offset: 2px; }
nav { max-width: 1460px; margin: 0 auto; padding: 1rem 20px 0; font: 1rem/1.6 sans-serif; color: #1f2933; }
nav a { color: #1d5a96; display: inline-block; min-height: 24px; margin-right: .75rem; }
nav a[aria-current] { font-weight: bold; color: inherit; }
nav p, nav ul { margin: 0 0 .5rem; }
nav summary { cursor: pointer; min-height: 24px; }
@media (max-width: 40rem) {
  .swagger-ui .opblock-tag { flex-wrap: wrap; }
  .swagger-ui .opblock-summary-control, .swagger-ui .opblock-summary-path-description-wrapper { min-width: 0; }
  .swagger-ui .opblock .opblock-summary-path { min-width: 0; max-width: 100%; overflow-wrap: anywhere; }
  .swagger-ui .nostyle span { white-space: normal; word-break: break-all; }
  .swagger-ui .opblock-tag.no-desc span,
  .swagger-ui .opblock-tag a.nostyle span { word-break: normal; overflow-wrap: anywhere; }
  .swagger-ui .opblock-tag small { flex: 1 1 100%; order: 2; padding: 0; }
}
"""

RETURN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Signed in</title></head>
<body><p>You can close this window and go back to the API page.</p><script src="/docs/return.js"></script></body></html>
"""

RETURNED = """"use strict";
const channel = new BroadcastChannel("gateway-docs");
channel.postMessage(window.location.search);
channel.close();
window.close();
"""
