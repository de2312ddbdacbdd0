"""HTML forms as a person meets them: labels, choices and buttons. No knowledge of any page in particular."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class FormChoice:
    """A radio button, a check box or an option of a list: what it sends, and what a person reads beside it."""

    kind: str
    name: str
    value: str
    label: str = ""
    chosen: bool = False


@dataclass
class Button:
    """A button that sends the form."""

    name: str
    value: str
    label: str = ""


@dataclass
class Form:
    """One form with everything in it."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: list[FormChoice] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)

    def values(self, chosen: FormChoice | None, button: Button) -> dict[str, str]:
        """What the form sends when ``chosen`` is picked and ``button`` pressed; the rest stays as it is."""
        sent = dict(self.fields)
        sent.update({one.name: one.value for one in self.choices if one.chosen})
        if chosen is not None:
            sent[chosen.name] = chosen.value
        if button.name:
            sent[button.name] = button.value
        return sent


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.title = ""
        self._form: Form | None = None
        self._labels: dict[str, str] = {}
        self._ids: dict[str, FormChoice] = {}
        self._select = ""
        self._texts: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("method", "get").lower(), given.get("action", ""))
            self.forms.append(self._form)
        elif tag in ("label", "button", "option", "h1"):
            self._open(tag, given)
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "input" and self._form is not None:
            self._input(self._form, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif self._texts and self._texts[-1][0].partition(" ")[0] == tag:
            what, parts = self._texts.pop()
            self._close(tag, what.partition(" ")[2], " ".join(" ".join(parts).split()))

    def handle_data(self, data: str) -> None:
        for _, parts in self._texts:
            parts.append(data)

    def read(self, html: str) -> list[Form]:
        """Every form of the page, its choices with their labels."""
        self.feed(html)
        self.close()
        for id_, choice in self._ids.items():
            choice.label = choice.label or self._labels.get(id_, "")
        return self.forms

    def _open(self, tag: str, given: Mapping[str, str]) -> None:
        key = given.get("for", "")
        if tag == "button" and self._form is not None and given.get("type", "submit") == "submit":
            self._form.buttons.append(Button(given.get("name", ""), given.get("value", "")))
        if tag == "option" and self._form is not None:
            option = FormChoice("option", self._select, given.get("value", ""), chosen="selected" in given)
            self._form.choices.append(option)
        self._texts.append((f"{tag} {key}", []))

    def _close(self, tag: str, key: str, text: str) -> None:
        if tag == "h1":
            self.title = self.title or text
        elif tag == "label":
            self._labels[key] = text
        elif self._form is not None and tag == "button" and self._form.buttons:
            self._form.buttons[-1].label = text
        elif self._form is not None and tag == "option":
            self._form.choices[-1].label = text

    def _input(self, form: Form, given: Mapping[str, str]) -> None:
        kind, name = given.get("type", "text").lower(), given.get("name", "")
        if kind in ("radio", "checkbox"):
            choice = FormChoice(kind, name, given.get("value", "on"), chosen="checked" in given)
            form.choices.append(choice)
            self._ids[given.get("id", "")] = choice
        elif kind == "submit":
            form.buttons.append(Button(name, given.get("value", ""), given.get("value", "")))
        elif name:
            form.fields[name] = given.get("value", "")


def read(html: str) -> tuple[str, list[Form]]:
    """The heading of a page and its forms."""
    reader = _Reader()
    forms = reader.read(html)
    return reader.title, forms


_NO = ("annul", "stop", "weiger", "nee", "niet", "terug", "cancel", "refuse", "no ")


def forward(forms: Iterable[Form]) -> tuple[Form, Button] | None:
    """The first form that goes on, and the button for it: one whose words say neither no nor stop."""
    for form in forms:
        for button in form.buttons:
            if not any(word in f"{button.label} ".lower() for word in _NO):
                return form, button
    return None
