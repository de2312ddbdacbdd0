"""Filing by a procedure of the EHR's database. The procedure gets the id of the item and files it once."""

import asyncio
from typing import Any

from sqlalchemy import bindparam, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from adapters.filing.port import SECONDS, AcceptedItem, Filed, Filing, Later, Rejected
from adapters.filing.settings import SqlFiling
from adapters.port import AdapterMisconfigured
from profiles.fhir.codec import jsonio

NAMES = ("item", "patient", "bsn", "type", "code", "value", "unit", "moment", "title", "json", "pdf")


class SqlWriteBack:
    """One database. Raises AdapterMisconfigured for a URL or statement that cannot be used."""

    def __init__(self, settings: SqlFiling) -> None:
        self.name = settings.name
        self._settings = settings
        named = text(settings.statement)
        self._names = set(named.compile().params)
        if unknown := self._names - set(NAMES):
            raise AdapterMisconfigured(f"write-back {self.name}: unknown parameters {', '.join(sorted(unknown))}")
        self._statement = named.bindparams(*(bindparam(name) for name in self._names))
        try:
            self._engine = create_engine(settings.url.get_secret_value(), pool_pre_ping=True, hide_parameters=True)
        except (SQLAlchemyError, ImportError) as fault:
            raise AdapterMisconfigured(f"write-back {self.name}: the database URL cannot be used") from fault

    def takes(self, standard: str, type_: str) -> bool:
        """See WriteBack."""
        return self._settings.takes(standard, type_)

    async def aclose(self) -> None:
        """See WriteBack."""
        await asyncio.to_thread(self._engine.dispose)

    async def file(self, item: AcceptedItem) -> Filing:
        """See WriteBack."""
        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.to_thread(self._file, item)
        except TimeoutError:
            return Later("the database did not answer in time")

    def _file(self, item: AcceptedItem) -> Filing:
        values = {name: value for name, value in parameters(item).items() if name in self._names}
        try:
            with self._engine.begin() as connection:
                result = connection.execute(self._statement, values)
                row = result.first() if result.returns_rows else None
        except IntegrityError as fault:
            return Rejected("integrity", f"the database refused it: {type(fault.orig).__name__}")
        except DBAPIError as fault:
            return Later(f"the database did not take it: {type(fault.orig).__name__}")
        return Filed(str(row[0]) if row is not None and row[0] is not None else item.id)


def parameters(item: AcceptedItem) -> dict[str, Any]:
    """What a statement may name, of one item."""
    resource = item.resource
    quantity = resource.get("valueQuantity") or {}
    codings = (resource.get("code") or {}).get("coding") or [{}]
    document = next((one.content for one in item.files if one.media == "application/pdf"), item.readable)
    return {
        "item": item.id,
        "patient": item.patient_id,
        "bsn": item.bsn,
        "type": item.type,
        "code": str(codings[0].get("code", "")),
        "value": str(quantity.get("value", "")),
        "unit": str(quantity.get("code", "")),
        "moment": str(resource.get("effectiveDateTime", item.sent.isoformat())),
        "title": item.title,
        "json": jsonio.dump(resource).decode(),
        "pdf": document,
    }
