"""The documentation in the browser: the Markdown pages of ``docs/``, as HTML. Only where the source tree is there."""

import re
from pathlib import Path

from jinja2 import Environment
from markdown_it import MarkdownIt
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

DOCS = Path(__file__).parents[2] / "docs"
HOME = "/handbook/"

_ALIGNED = re.compile(r' style="text-align:(\w+)"')
_LINK = re.compile(r'href="([\w./-]+)\.md(#[\w-]+)?"')


def available() -> bool:
    """Whether the documentation came along: it does in a source tree, not in a wheel."""
    return (DOCS / "README.md").is_file()


def routes(pages: Environment, headers: dict[str, str]) -> list[Route]:
    """/handbook/ and the pages below it. Only files that exist under ``docs/`` are served."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    known = {path.relative_to(DOCS).with_suffix("").as_posix(): path for path in DOCS.rglob("*.md")}

    async def page(request: Request) -> Response:
        name = request.path_params["name"].removesuffix(".html") or "README"
        path = known.get(name) or known.get(f"{name.rstrip('/')}/README")
        if path is None:
            return HTMLResponse("Not found", 404, headers=headers)
        text = path.read_text("utf-8")
        title = text.split("\n", 1)[0].lstrip("# ")
        body = _reachable(_LINK.sub(r'href="\1.html\2"', markdown.render(text)))
        return HTMLResponse(pages.get_template("handbook.html").render(title=title, body=body), headers=headers)

    async def home(_request: Request) -> Response:
        return RedirectResponse(HOME, 307)

    return [Route("/handbook", home), Route("/handbook/{name:path}", page)]


def _reachable(html: str) -> str:
    """What scrolls sideways in a narrow window must be reachable from the keyboard: code and tables (WCAG 2.1.1).

    Columns are aligned by a class: the policy of our pages forbids inline styles.
    """
    html = _ALIGNED.sub(r' class="\1"', html)
    html = html.replace("<pre>", '<pre tabindex="0">')
    wrapped = html.replace("<table>", '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>')
    return wrapped.replace("</table>", "</table></div>")
