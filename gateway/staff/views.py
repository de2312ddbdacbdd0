"""What the templates of the staff pages may use: typed contexts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from auth.ages import ZONE
from gateway.calendar import utc


def minute(moment: datetime | None) -> str:
    """A moment as the pages write it; empty for none."""
    return "" if moment is None else utc(moment).astimezone(ZONE).strftime("%d-%m-%Y %H:%M")


@dataclass(frozen=True, slots=True)
class RoomLink:
    """A room in the menu."""

    path: str
    name: str
    here: bool


@dataclass(frozen=True, slots=True)
class StaffFrame:
    """What every page shows around its content. Without an account there is no menu."""

    root: str
    language: str
    other: str
    """The address of the same page in the other language; empty: none."""
    account: str = ""
    csrf: str = ""
    rooms: tuple[RoomLink, ...] = ()


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell of a table: text, where it leads, and whether it must be noticed (which the text says too)."""

    text: str
    href: str = ""
    mark: bool = False


@dataclass(frozen=True, slots=True)
class DeedView:
    """A button that does something: a form of its own."""

    path: str
    label: str
    fields: tuple[tuple[str, str], ...] = ()
    about: str = ""
    """What a screen reader hears after the label: which row it is."""


@dataclass(frozen=True, slots=True)
class RowView:
    """A row of a table, and what can be done with it."""

    cells: tuple[CellView, ...]
    deeds: tuple[DeedView, ...] = ()


@dataclass(frozen=True, slots=True)
class TableView:
    """A table with its caption; ``empty`` is said when it has no rows."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[RowView]
    empty: str
    plot: Markup = field(default_factory=Markup)
    note: str = ""


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field of a form: a line of text, a choice, a date or a long text."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    options: tuple[tuple[str, str], ...] = ()
    required: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class FormView:
    """A form. ``method`` get searches, post does (and carries the token of the session)."""

    path: str
    method: str
    fields: tuple[FieldView, ...]
    button: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class RoomView:
    """A room that is lists and forms."""

    title: str
    lead: str
    forms: tuple[FormView, ...] = ()
    tables: tuple[TableView, ...] = ()
    done: str = ""
    fault: str = ""


def row(*cells: str | CellView, deeds: Sequence[DeedView] = ()) -> RowView:
    """A row of texts and cells."""
    return RowView(tuple(one if isinstance(one, CellView) else CellView(one) for one in cells), tuple(deeds))
