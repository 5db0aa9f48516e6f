"""The server: routes to the verbs and the page, and an answer in words for everything that goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edgeconnect.errors import InputError
from edgeconnect.web import verbs
from edgeconnect.web.fields import Fields
from edgeconnect.web.guard import LOOPBACK, Guard, TooLargeError, limited
from edgeconnect.web.limits import Limits
from edgeconnect.web.photos import PhotoStore, UnknownPhotoError
from edgeconnect.web.worker import AbandonedError, BusyError, OutOfTimeError, Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from edgeconnect.web.models import Models

    Endpoint = Callable[[Request], Awaitable[Response]]
    Verb = Callable[[verbs.Desk, Fields], Response]

HERE = Path(__file__).parent
_TEXT_BYTES = 10_000  # of one text field


def create_app(
    models: Models,
    limits: Limits | None = None,
    hosts: Collection[str] = LOOPBACK,
    *,
    addresses: bool = False,
) -> Starlette:
    """The ASGI application; `hosts` and `addresses` are what it answers to (see Guard)."""
    office = _Office(models, limits or Limits())
    routes = [
        Route("/", partial(_file, HERE / "page" / "index.html")),
        Route("/openapi.yaml", partial(_file, HERE / "openapi.yaml", media_type="application/yaml")),
        Mount("/page", StaticFiles(directory=HERE / "page")),
        Route("/api/edges", office.form(verbs.edges, "/api/edges"), methods=["POST"]),
        Route("/api/inpaint", office.form(verbs.inpaint, "/api/inpaint"), methods=["POST"]),
        Route("/api/photos", office.form(verbs.keep_photo, "/api/photos"), methods=["POST"]),
        Route("/api/photos/{id}", office.photo),
        Route("/api/mask", office.form(verbs.repaired_mask, "/api/mask"), methods=["POST"]),
        Route("/api/weights", office.weights),
        Route("/api/samples", _samples),
        Route("/api/samples/{name}", _sample),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=hosts, addresses=addresses)],
        exception_handlers=_handlers(office.limits),
        lifespan=office.open,
    )


class _Office:
    """The worker and what it works with, for the routes that need them."""

    def __init__(self, models: Models, limits: Limits) -> None:
        self.limits = limits
        self._desk = verbs.Desk(models, PhotoStore(limits.kept_bytes))
        self._worker = Worker(limits.places, limits.seconds)
        models.before_pass = self._worker.check

    @asynccontextmanager
    async def open(self, app: Starlette) -> AsyncIterator[None]:
        """Until the server ends."""
        yield
        self._worker.close()

    def form(self, verb: Verb, path: str) -> Endpoint:
        """The endpoint of a verb: takes a place, receives the form, waits for the worker."""

        async def answer(request: Request) -> Response:
            receive = limited(request.receive, request.headers, self.limits.upload_bytes)
            request = Request(request.scope, receive)
            with self._worker.place():
                async with asyncio.timeout(self.limits.upload_seconds):
                    form = await request.form(max_files=4, max_fields=100, max_part_size=_TEXT_BYTES)
                try:
                    fields = Fields(form, verbs.FIELDS[path], self.limits.pixels)
                    work = partial(verb, self._desk, fields)
                    return await self._worker.run(work, request.is_disconnected)
                finally:
                    await form.close()

        return answer

    async def photo(self, request: Request) -> Response:
        """A kept photo."""
        with self._worker.place():
            work = partial(verbs.kept_photo, self._desk, request.path_params["id"])
            return await self._worker.run(work, request.is_disconnected)

    async def weights(self, request: Request) -> Response:
        """The names to choose from, the default first."""
        return JSONResponse({"weights": self._desk.models.names})


async def _file(path: Path, request: Request, media_type: str | None = None) -> Response:
    return FileResponse(path, media_type=media_type)


async def _samples(request: Request) -> Response:
    return JSONResponse({"samples": list(verbs.SAMPLES)})


async def _sample(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in verbs.SAMPLES:
        raise HTTPException(404, f"expected one of {', '.join(verbs.SAMPLES)}")
    return Response(verbs.sample(name), media_type="image/png")


def _handlers(limits: Limits) -> dict[Any, Any]:
    """How each failure is said; whatever is not listed is a bug and answered with 500."""
    megabytes = limits.upload_bytes / 2**20
    plain: dict[type[Exception], tuple[int, str]] = {
        TooLargeError: (413, f"expected at most {megabytes:g} MB in one request"),
        TimeoutError: (408, f"the request did not arrive whole within {limits.upload_seconds:g} s"),
        UnknownPhotoError: (404, "this photo is not kept (any more): send it again as `photo`"),
        BusyError: (503, "busy: too many requests are waiting; try again in a few seconds"),
        OutOfTimeError: (504, f"the time limit of {limits.seconds:g} s is over; a smaller hole takes less"),
        AbandonedError: (499, "the client has gone"),
        ClientDisconnect: (499, "the client has gone"),
    }

    async def say(request: Request, error: Exception) -> Response:
        status, sentence = plain[type(error)]
        return _sentence(status, sentence)

    async def unusable(request: Request, error: Exception) -> Response:
        return _sentence(422, str(error))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _sentence(error.status_code, error.detail)

    return dict.fromkeys(plain, say) | {InputError: unusable, HTTPException: refused, Exception: _bug}


async def _bug(request: Request, error: Exception) -> Response:
    return _sentence(500, "something is wrong in the server; its own window says more")


def _sentence(status: int, text: str) -> Response:
    headers = {"Retry-After": "3"} if status == 503 else None
    return JSONResponse({"error": text}, status, headers=headers)
