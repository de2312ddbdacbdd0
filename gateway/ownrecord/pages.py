"""The pages of Mijn gegevens: summary, parts, everything to print, and the files to take along (VIPP 1 and 2)."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
from jinja2 import PackageLoader
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from auth.ages import ZONE
from auth.pages.own import OWN_RECORD, OwnRecordDoor, OwnRecordReader
from gateway.audit.trail import AuditUnavailable
from gateway.calendar import today_here
from gateway.dossier.answer import DossierAnswer
from gateway.dossier.pages import STYLE, DossierAddresses, environment
from gateway.dossier.pdf import pdf_of
from gateway.dossier.record import Dossier, dossier_of
from gateway.dossier.speech import speaking
from gateway.dossier.words import moment
from gateway.ownrecord.collecting import OwnRecords, named
from gateway.ownrecord.downloads import written
from gateway.ownrecord.texts import acting, texts_of, why_nothing
from gateway.store.reader import StoreUnavailable
from profiles.fhir.version import FhirVersion

MOST, SECONDS = 50, 300.0
"""Records that stay for the next page of the same visit, and for how long."""

PDF = "application/pdf"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' https:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(slots=True)
class OwnDossiers:
    """What was collected in a visit, and the dossier of it in each language that was asked."""

    since: float
    collected: datetime
    answers: list[DossierAnswer]
    told: dict[str, tuple[list[DossierAnswer], Dossier]] = field(default_factory=dict)


class OwnRecordPages:
    """The pages; one instance per process. Another process simply collects again."""

    def __init__(self, records: OwnRecords, door: OwnRecordDoor, font: Path) -> None:
        self._records = records
        self._door = door
        self._font = font
        self._kept: dict[str, OwnDossiers] = {}
        self._templates = environment(PackageLoader("gateway.ownrecord"))

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything below /mijn-gegevens."""
        here = f"{OWN_RECORD}/inzage/{{visit}}"
        return [
            Route(f"{OWN_RECORD}/dossier.css", self.style),
            Route(f"{here}/uitloggen", self.leave, methods=["POST"]),
            Route(f"{here}/gegevens.pdf", self.pdf),
            Route(f"{here}/gegevens-{{version}}.{{form}}", self.fhir),
            Route(f"{here}/deel/{{part}}", self.page),
            Route(f"{here}/{{section}}/document/{{binary}}", self.document),
            Route(f"{here}/alles", self.page),
            Route(here, self.page),
            Route(f"{OWN_RECORD}/{{provider}}", self._door.open),
        ]

    async def style(self, _request: Request) -> Response:
        """The style sheet of a dossier."""
        return FileResponse(STYLE, media_type="text/css")

    async def leave(self, request: Request) -> Response:
        """Out: what was kept for this visit goes too."""
        self._kept.pop(request.path_params["visit"], None)
        return await self._door.leave(request)

    async def page(self, request: Request) -> Response:
        """The summary, one part, or everything."""
        return await self._door.shown(request, self._page)

    async def pdf(self, request: Request) -> Response:
        """The record as PDF/A."""
        return await self._door.shown(request, self._pdf)

    async def fhir(self, request: Request) -> Response:
        """The record as a FHIR Bundle of one release."""
        return await self._door.shown(request, self._fhir)

    async def document(self, request: Request) -> Response:
        """One document of the record."""
        return await self._door.shown(request, self._document)

    async def _document(self, request: Request, reader: OwnRecordReader) -> Response:
        found = await self._record(reader)
        if isinstance(found, Response):
            return found
        binary = request.path_params["binary"]
        answer = next((one for one in found[1] if one.id == request.path_params["section"]), None)
        try:
            document = answer and await self._records.document(reader, answer, binary)
        except (StoreUnavailable, AuditUnavailable):
            return self._said(reader, texts_of(reader)("own.no_document_now"), 503)
        if not document:
            return self._said(reader, texts_of(reader)("own.no_document"), 404)
        # Only a PDF opens in the browser: what else somebody stored must never run as a page of ours.
        opens = document.media == PDF
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        headers["Content-Disposition"] = "inline" if opens else "attachment"
        headers["Content-Security-Policy"] = "frame-ancestors 'none'" if opens else "sandbox"
        headers["Content-Length"] = str(document.content.size)
        media = PDF if opens else "application/octet-stream"
        return StreamingResponse(document.content.pieces(0, document.content.size), 200, headers, media)

    async def _page(self, request: Request, reader: OwnRecordReader) -> Response:
        found = await self._record(reader)
        if isinstance(found, Response):
            return found
        collected, answers, dossier = found
        here = request.path_params.get("part", "")
        if here and dossier.part(here) is None:
            return self._said(reader, texts_of(reader)("own.no_part"), 404)
        return self._html(
            "record.html",
            reader,
            request.url.path,
            dossier=dossier,
            here=here,
            whole=request.url.path.endswith("/alles"),
            at=DossierAddresses(self._root(reader), files=False),
            moment=_written(collected, reader.language),
            releases=sorted({one.version.name.lower() for one in answers if one.matches}),
            with_pdf=self._font.is_file(),
        )

    async def _pdf(self, _request: Request, reader: OwnRecordReader) -> Response:
        found = await self._record(reader)
        if isinstance(found, Response):
            return found
        collected, _, dossier = found
        if not self._font.is_file():
            return self._said(reader, texts_of(reader)("own.no_pdf"), 404)
        provider, when = reader.provider.display_name, _written(collected, reader.language)
        named_ = dossier.person or reader.name or ""
        whose = texts_of(reader)(f"own.paper_{reader.representation}", name=named_) if reader.representation else ""
        with speaking(reader.language):
            body = await anyio.to_thread.run_sync(pdf_of, dossier, provider, when, collected, self._font, whose)
        return _file(body, "application/pdf", "mijn-gegevens.pdf")

    async def _fhir(self, request: Request, reader: OwnRecordReader) -> Response:
        version = {one.name.lower(): one for one in FhirVersion}.get(request.path_params["version"])
        form = request.path_params["form"]
        if version is None or form not in ("json", "xml"):
            return self._said(reader, texts_of(reader)("own.no_file"), 404)
        found = await self._record(reader)
        if isinstance(found, Response):
            return found
        body, media = await anyio.to_thread.run_sync(written, found[1], version, form)
        return _file(body, media, f"mijn-gegevens-{version.name.lower()}.{form}")

    async def _record(self, reader: OwnRecordReader) -> tuple[datetime, list[DossierAnswer], Dossier] | Response:
        """The record of this visit, collected now or for the page before; a page when there is nothing to show."""
        if reader.reason is not None:
            self._kept.pop(reader.visit, None)
            return self._said(reader, why_nothing(reader), 200)
        now = time.monotonic()
        self._kept = {key: kept for key, kept in self._kept.items() if now - kept.since < SECONDS}
        if reader.visit not in self._kept:
            try:
                answers = await self._records.of(reader)
            except AuditUnavailable:
                # What is not recorded is not shown.
                return self._said(reader, texts_of(reader)("own.not_now"), 503)
            while len(self._kept) >= MOST:
                self._kept.pop(next(iter(self._kept)))
            self._kept[reader.visit] = OwnDossiers(now, datetime.now(UTC), answers)
        kept = self._kept[reader.visit]
        if reader.language not in kept.told:
            answers = named(kept.answers, texts_of(reader))
            with speaking(reader.language):
                dossier = await anyio.to_thread.run_sync(dossier_of, answers, today_here())
            kept.told[reader.language] = answers, dossier
        return kept.collected, *kept.told[reader.language]

    def _said(self, reader: OwnRecordReader, text: str, status: int) -> Response:
        return self._html("said.html", reader, status=status, text=text)

    def _html(
        self, template: str, reader: OwnRecordReader, path: str = "", *, status: int = 200, **values: object
    ) -> Response:
        root = self._root(reader)
        with speaking(reader.language):
            html = self._templates.get_template(template).render(
                provider=reader.provider,
                csrf=reader.csrf,
                root=root,
                path=path or root,
                t=texts_of(reader),
                acting=acting(reader),
                **values,
            )
        return HTMLResponse(html, status, HEADERS)

    @staticmethod
    def _root(reader: OwnRecordReader) -> str:
        return f"{OWN_RECORD}/inzage/{reader.visit}"


def _written(collected: datetime, language: str) -> str:
    with speaking(language):
        return moment(collected.astimezone(ZONE).isoformat())


def _file(body: bytes, media: str, name: str) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=media, headers={**HEADERS, **disposition})
