"""What Mijn gegevens says to who reads it, in their language: for whom they do it, and why there is nothing."""

from auth.pages.catalogue import CATALOGUE, Texts, read_catalogue
from auth.pages.own import OwnRecordReader

OWN_TEXTS = read_catalogue("gateway.ownrecord")


def texts_of(reader: OwnRecordReader) -> Texts:
    """The texts in the language of the visit, with the provider filled in."""
    return Texts(reader.language, OWN_TEXTS, provider=reader.provider.display_name)


def acting(reader: OwnRecordReader) -> str:
    """Whose data these are, for who acts for another; empty for who reads their own."""
    if reader.representation is None:
        return ""
    texts = texts_of(reader)
    key = f"own.acting_{reader.representation}"
    return texts(key, name=reader.name) if reader.name else texts(f"{key}_nameless")


def why_nothing(reader: OwnRecordReader) -> str:
    """The reason why there is nothing to read, as the pages of the authorization server say it."""
    table = CATALOGUE[reader.language]
    whose = table["whose"][reader.representation] if reader.representation else ""
    about = f"{reader.reason}_for" if whose and f"{reader.reason}_for" in table["reason"] else f"{reader.reason}"
    return table["reason"][about].format(whose=whose)
