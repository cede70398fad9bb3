"""`/docs` without network: Swagger UI from the package `fastapi-offline`, under a strict CSP.

FastAPI's own page loads scripts from a CDN and carries inline script; this one does neither.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from dunning_common.web.headers import ASSETS, SharedAssets, page_headers

_SWAGGER: Final = "/docs-assets"
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/svg+xml" href="{assets}/favicon.svg">
<link rel="stylesheet" href="{swagger}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-openapi-url="{openapi}"></div>
<noscript>The API description is at <a href="{openapi}">{openapi}</a>.</noscript>
<script src="{swagger}/swagger-ui-bundle.js"></script>
<script src="{assets}/docs.js"></script>
</body>
</html>
"""


def serve_docs(app: FastAPI) -> None:
    """Add `/docs` and the files it needs; make the app with `docs_url=None`."""
    folder = str(files("fastapi_offline") / "static")
    app.mount(_SWAGGER, StaticFiles(directory=folder), name="docs-assets")
    app.mount(ASSETS, SharedAssets(packages=[("dunning_common.web", "static")]), name="assets")
    page = _PAGE.format(
        title=escape(f"{app.title} API"),
        openapi=escape(app.openapi_url or "/openapi.json"),
        swagger=_SWAGGER,
        assets=ASSETS,
    )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers=page_headers(_CSP))
