"""``/docs``: a page to try the API, with Swagger UI from the wheel. Nothing is loaded from another host."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

HERE: Final = Path(__file__).parent
VENDOR: Final = HERE.parent / "vendor"
"""What `make vendor` brings; without it the page leads to the document itself."""
FILES: Final = {
    "start.js": (HERE, "text/javascript; charset=utf-8"),
    "swagger-ui-bundle.js": (VENDOR, "text/javascript; charset=utf-8"),
    "swagger-ui.css": (VENDOR, "text/css; charset=utf-8"),
}
ADDRESSES: Final = frozenset({"/docs", *(f"/docs/{name}" for name in FILES)})

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


@router.get("/docs")
def show_documentation() -> Response:
    """Show the page."""
    page = "swagger.html" if (VENDOR / "swagger-ui-bundle.js").is_file() else "plain.html"
    headers = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "DENY", "Cache-Control": "no-cache"}
    return Response((HERE / page).read_bytes(), headers=headers, media_type="text/html; charset=utf-8")


@router.get("/docs/{name}")
def documentation_file(name: str) -> Response:
    """Answer a script or the style sheet of the page."""
    directory, media_type = FILES.get(name, (HERE, ""))
    if not media_type or not (directory / name).is_file():
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response((directory / name).read_bytes(), headers=headers, media_type=media_type)
