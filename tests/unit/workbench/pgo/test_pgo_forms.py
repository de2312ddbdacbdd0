"""Reading the forms of a page as a person does."""

from hypothesis import given
from hypothesis import strategies as st

from workbench.pgo.forms import Button, Form, forward, read


def test_labels_options_and_buttons_are_read_with_their_words() -> None:
    title, (form,) = read("""<h1>Kies <b>iemand</b></h1><form action="/x" method="POST">
        <input type="hidden" name="h" value="1"><input name="empty">
        <label for="p">Joke <span>58</span></label><input id="p" type="radio" name="who" value="j" checked>
        <select name="s"><option value="a">A</option><option value="b" selected>B &amp; C</option></select>
        <button type="button">Hulp</button><button name="go" value="1">Ga  verder</button></form>""")
    assert title == "Kies iemand"
    assert (form.method, form.action) == ("post", "/x")
    assert form.fields == {"h": "1", "empty": ""}
    assert [(one.kind, one.label, one.chosen) for one in form.choices] == [
        ("radio", "Joke 58", True),
        ("option", "A", False),
        ("option", "B & C", True),
    ]
    assert form.buttons == [Button("go", "1", "Ga verder")]
    assert form.values(None, form.buttons[0]) == {"h": "1", "empty": "", "who": "j", "s": "b", "go": "1"}


def test_going_on_never_means_stopping() -> None:
    stop, go = Form("post", "/stop", buttons=[Button("", "", "Annuleren")]), Form("post", "/go")
    assert forward([stop]) is None
    go.buttons = [Button("", "", "Nee, terug"), Button("", "", "Ja")]
    assert forward([stop, go]) == (go, go.buttons[1])


@given(st.text(alphabet="<>/=\"' abforminputbuttonselectoptionlabel\n", max_size=200))
def test_no_page_breaks_the_reader(html: str) -> None:
    title, forms = read(html)
    assert isinstance(title, str)
    assert all(isinstance(form, Form) for form in forms)
