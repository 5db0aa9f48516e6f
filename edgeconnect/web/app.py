"""The server: routes to the verbs and the page, and an answer in words for everything that goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edgeconnect.errors import InputError
from edgeconnect.web import lines, single, verbs
from edgeconnect.web.fields import Fields
from edgeconnect.web.guard import LOOPBACK, Guard, TooLargeError, limited
from edgeconnect.web.limits import Limits
from edgeconnect.web.photos import PhotoStore, UnknownPhotoError
from edgeconnect.web.tasks import State, budget_seconds
from edgeconnect.web.worker import AbandonedError, BusyError, OutOfTimeError, Places, Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from starlette.types import Receive, Scope, Send

    from edgeconnect.web.models import Models

    Endpoint = Callable[[Request], Awaitable[Response]]
    Verb = Callable[[State, Fields], Response]

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
    app_state = _AppState(models, limits or Limits())
    routes = [
        Route("/", partial(_file, HERE / "page" / "index.html")),
        Route("/openapi.yaml", partial(_file, HERE / "openapi.yaml", media_type="application/yaml")),
        Mount("/page", StaticFiles(directory=HERE / "page")),
        Route("/api/edges", app_state.form(verbs.edges, "/api/edges"), methods=["POST"]),
        Route("/api/inpaint", app_state.form(verbs.inpaint, "/api/inpaint"), methods=["POST"]),
        Route("/api/single", _Single(app_state), methods=["POST"]),
        Route("/api/composite", app_state.form(verbs.composite, "/api/composite"), methods=["POST"]),
        Route("/api/photos", app_state.form(verbs.keep_photo, "/api/photos"), methods=["POST"]),
        Route("/api/photos/{id}", app_state.photo),
        Route("/api/mask", app_state.form(verbs.repaired_mask, "/api/mask"), methods=["POST"]),
        Route("/api/select", app_state.form(verbs.selected, "/api/select"), methods=["POST"]),
        Route("/api/extend", app_state.form(verbs.extended, "/api/extend"), methods=["POST"]),
        Route("/api/weights", app_state.weights),
        Route("/api/inpainters", app_state.inpainters),
        Route("/api/samples", _samples),
        Route("/api/samples/{name}", _sample),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=hosts, addresses=addresses)],
        exception_handlers=_handlers(app_state.limits),
        lifespan=app_state.open,
    )
    app.state.end_patient_work, app.state.end_work = app_state.patient_worker.end, app_state.end
    return app


class _AppState:
    """The workers and what they work with, for the routes that need them."""

    def __init__(self, models: Models, limits: Limits) -> None:
        self.limits = limits
        pixels = limits.patch_pixels, limits.hole_pixels, limits.pixels
        photos = PhotoStore(limits.kept_bytes)
        self.state = State(models, photos, *pixels, limits.single_seconds)
        self._uploads = Places(limits.uploads)
        self._worker = Worker(limits.places, limits.seconds)
        computer = self._worker.computer
        self.patient_worker = Worker(limits.single_places, limits.seconds, computer, is_patient=True)
        models.check_cancelled = self.check = computer.check

    def end(self) -> None:
        """Abandon all work."""
        for worker in (self.patient_worker, self._worker):
            worker.end()

    @asynccontextmanager
    async def open(self, app: Starlette) -> AsyncIterator[None]:
        """Until the server ends."""
        yield
        for worker in (self.patient_worker, self._worker):
            worker.close()

    @asynccontextmanager
    async def received(self, request: Request, path: str, worker: Worker) -> AsyncIterator[Fields]:
        """The form of a request, with a place at a worker for as long as it is needed."""
        with worker.place():  # nobody sends in vain, and those who send slowly keep nobody from computing
            pass
        with self._uploads.place():
            async with asyncio.timeout(self.limits.upload_seconds):
                form = await request.form(max_files=4, max_fields=100, max_part_size=_TEXT_BYTES)
        try:
            with worker.place():
                yield Fields(form, verbs.FIELDS[path], self.limits.pixels)
        finally:
            await form.close()

    def limited(self, scope: Scope, receive: Receive) -> Request:
        """A request whose body may not be larger than the limit."""
        return Request(scope, limited(receive, Headers(scope=scope), self.limits.upload_bytes))

    def form(self, verb: Verb, path: str) -> Endpoint:
        """The endpoint of a verb: takes a place, receives the form, waits for the worker."""

        async def answer(request: Request) -> Response:
            request = self.limited(request.scope, request.receive)
            async with self.received(request, path, self._worker) as fields:
                return await self._worker.run(partial(verb, self.state, fields), request.is_disconnected)

        return answer

    async def photo(self, request: Request) -> Response:
        """A kept photo."""
        with self._worker.place():
            work = partial(verbs.kept_photo, self.state, request.path_params["id"])
            return await self._worker.run(work, request.is_disconnected)

    async def weights(self, request: Request) -> Response:
        """The names to choose from, the default first."""
        return JSONResponse({"weights": self.state.models.names})

    async def inpainters(self, request: Request) -> Response:
        """The inpainters to choose from, the networks first."""
        return JSONResponse({"inpainters": self.state.models.inpainters})


class _Single:
    """The endpoint of the single-image mode: a picture at the end, or lines with what there is meanwhile."""

    def __init__(self, app_state: _AppState) -> None:
        self._app_state = app_state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes a place, receives the form, waits for the patient worker."""
        app_state, request = self._app_state, self._app_state.limited(scope, receive)
        worker = app_state.patient_worker
        async with app_state.received(request, "/api/single", worker) as fields:
            seconds = budget_seconds(fields, app_state.limits.single_seconds)
            slot = lines.Slot()
            verb = single.Single(app_state.state, app_state.check, slot.put)
            work = worker.run(partial(verb, fields), request.is_disconnected, seconds)
            if lines.MEDIA_TYPE in request.headers.get("accept", ""):
                await lines.send_lines(send, slot, work, partial(_explained, limits=app_state.limits))
            else:
                await (await work)(scope, receive, send)


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
    """How each failure is answered; whatever is not listed is a bug and answered with 500."""

    async def respond(request: Request, error: Exception) -> Response:
        return _sentence(*_explained(error, limits))

    return dict.fromkeys((*_plain(limits), InputError, HTTPException, Exception), respond)


def _explained(error: BaseException, limits: Limits) -> tuple[int, str]:
    """Status and sentence."""
    if isinstance(error, InputError):
        return 422, str(error)
    if isinstance(error, HTTPException):
        return error.status_code, error.detail
    return _plain(limits).get(
        type(error), (500, "something is wrong in the server; its own window says more")
    )


def _plain(limits: Limits) -> dict[type[BaseException], tuple[int, str]]:
    megabytes = limits.upload_bytes / 2**20
    return {
        TooLargeError: (413, f"expected at most {megabytes:g} MB in one request"),
        TimeoutError: (408, f"the request came too slowly, or not whole within {limits.upload_seconds:g} s"),
        UnknownPhotoError: (404, "this photo is not kept (any more): send it again as `photo`"),
        BusyError: (503, "busy: too many requests are waiting; try again in a few seconds"),
        OutOfTimeError: (504, "the time limit is over; a smaller hole takes less"),
        AbandonedError: (499, "the client has gone, or the server ends"),
        ClientDisconnect: (499, "the client has gone"),
    }


def _sentence(status: int, text: str) -> Response:
    headers = {"Retry-After": "3"} if status == 503 else None
    return JSONResponse({"error": text}, status, headers=headers)
