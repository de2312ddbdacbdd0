"""The OpenAPI UI at /docs: Swagger UI from our own host, with an Authorize button that works against the test mode."""

import json
import uuid
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

CLIENT = "openapi.demo.example"
"""The OAuth client of the UI: an ordinary entry of the demo's client list."""

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
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

START = """"use strict";
const ui = SwaggerUIBundle({
  url: "/openapi.json",
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
@media (max-width: 40rem) {
  .swagger-ui .opblock-tag { flex-wrap: wrap; }
  .swagger-ui .opblock-summary-control, .swagger-ui .opblock-summary-path-description-wrapper { min-width: 0; }
  .swagger-ui .opblock .opblock-summary-path { min-width: 0; max-width: 100%; overflow-wrap: anywhere; }
  .swagger-ui .nostyle span { white-space: normal; word-break: break-all; }
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

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def routes(base_url: str, scopes: tuple[str, ...]) -> list[Route | Mount]:
    """The page, its scripts, and the page to which the authorization server sends the browser back."""
    headers = {"content-security-policy": POLICY, "referrer-policy": "no-referrer", "cache-control": "no-store"}

    async def page(_request: Request) -> Response:
        return HTMLResponse(PAGE, headers=headers)

    async def start(_request: Request) -> Response:
        values = {
            "redirect": f"{base_url}/docs/oauth2-redirect",
            "client": CLIENT,
            "scopes": " ".join(scopes),
            "request": str(uuid.uuid4()),
            "correlation": str(uuid.uuid4()),
        }
        script = START % {name: json.dumps(value) for name, value in values.items()}
        return Response(script, media_type="text/javascript", headers=headers)

    async def style(_request: Request) -> Response:
        return Response(STYLE, media_type="text/css", headers=headers)

    async def returned(_request: Request) -> Response:
        return HTMLResponse(RETURN, headers=headers)

    async def return_script(_request: Request) -> Response:
        return Response(RETURNED, media_type="text/javascript", headers=headers)

    assets = Path(str(files("fastapi_swagger") / "resources"))
    return [
        Route("/docs", page),
        Route("/docs/start.js", start),
        Route("/docs/start.css", style),
        Route("/docs/oauth2-redirect", returned),
        Route("/docs/return.js", return_script),
        Mount("/docs/assets", StaticFiles(directory=assets)),
    ]
