"""The studio's web application: its routes, its errors, its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from dreamsampler.interfaces.studio import schemas
from dreamsampler.interfaces.studio.failures import Refused, message
from dreamsampler.interfaces.studio.guard import failure
from dreamsampler.interfaces.studio.routes import Services, router
from dreamsampler.version import __version__

STATIC = Path(__file__).parent / "static"
NOT_BUILT = "<!doctype html><title>DreamSampler</title><p>The page is not built: run make studio."
MEANINGS = {
    400: "cannot be meant",
    401: "not logged in",
    403: "from another site",
    404: "not there, or not yours",
    413: "too large",
    422: "a wrong value, with its field",
    429: "too many runs wait",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Failure, "description": text} for status, text in MEANINGS.items()
}


def make_app(services: Services) -> FastAPI:
    """The application, without what `Guard` does in front of it."""
    app = FastAPI(
        title="DreamSampler Studio",
        version=__version__,
        description="Change pictures with diffusion models. Every task, its options and its files.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.include_router(router, prefix="/api", responses=ERRORS)
    app.add_api_route("/", page, include_in_schema=False, response_model=None)
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")

    async def refused(request: Request, error: Exception) -> Response:
        del request
        return answer_to(error, debug=services.debug)

    for kind in (HTTPException, RequestValidationError, ValueError, OSError, Exception):
        app.add_exception_handler(kind, refused)
    return app


def answer_to(error: Exception, *, debug: bool = False) -> Response:
    """The answer to a request that went wrong."""
    if isinstance(error, HTTPException):
        text = message(ValueError(error.detail))
        return failure(error.status_code, text, headers=error.headers)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = [str(part) for part in first["loc"][1:]]
        text = f"{'.'.join(where) or 'The request'}: {first['msg'].lower()}"
        return failure(422, text, where[-1] if where else None)
    text = message(error, debug=debug)
    if isinstance(error, Refused):
        return failure(error.status, text, error.field)
    return failure(400 if isinstance(error, ValueError) else 500, text)


def page() -> Response:
    """The page itself."""
    built = STATIC / "index.html"
    if not built.exists():
        return HTMLResponse(NOT_BUILT)
    return FileResponse(built, headers={"cache-control": "no-cache"})
