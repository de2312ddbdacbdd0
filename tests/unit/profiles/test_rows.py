"""Tables are read as typed rows: a fault is told with the file and the place, whoever made it."""

from pathlib import Path

import pytest

from profiles.rows import Row, RowError, read


class SampleRow(Row, frozen=True):
    """A row with a name and a number."""

    name: str
    number: int = 0


class SampleRows(Row, frozen=True):
    """A file of them."""

    row: tuple[SampleRow, ...]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[row]]\nname = 'a'\nnumer = 1", "unknown field `numer` at `row[0]`"),
        ("[[row]]\nnumber = 1", "missing required field `name`"),
        ("[[row]]\nname = 'a'\nnumber = 'one'", "Expected `int`, got `str` at `row[0].number`"),
        ("[[row", "Expected"),
        ("", "missing required field `row`"),
    ],
)
def test_a_fault_is_told_with_its_file_and_place(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.toml"
    file.write_text(text)
    with pytest.raises(RowError) as fault:
        read(file, SampleRows)
    assert told in str(fault.value)
    assert str(file) in str(fault.value)


def test_what_cannot_be_read_at_all_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="cannot be read"):
        read(tmp_path / "nothing.toml", SampleRows)
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(RowError):
        read(tmp_path / "latin.toml", SampleRows)
    (tmp_path / "good.toml").write_text("[[row]]\nname = 'a'")
    assert read(tmp_path / "good.toml", SampleRows).row == (SampleRow("a", 0),)
