"""Markdown: read from people and shown safely, written by the portal.

What people write is CommonMark with tables. Raw HTML stays text, images are left out,
and links lead to this portal or over HTTP to elsewhere.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from portal.domain.canonical import canonical
from portal.domain.redaction import redact, redact_value

NOTHING = "-"
MARGIN = 2  # a page has a heading of its own above those of a text
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_START = re.compile(r"\A(\d{1,9})([.)])|\A([#+=-])")


def is_safe_link(url: str) -> bool:
    """Whether a text may lead there: to a path of this portal, or over HTTP."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    if parts.scheme:
        return parts.scheme.lower() in ("http", "https") and bool(parts.netloc)
    return not parts.netloc and not url.lstrip().startswith(("//", "\\", "/\\"))


class _Renderer(RendererHTML):
    """Headings a bit lower, and no hints to other sites where somebody came from."""

    def heading_open(
        self, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
    ) -> str:
        token = tokens[at]
        return f"<{self._lower(token.tag)}{self.renderAttrs(token)}>"

    def heading_close(
        self, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
    ) -> str:
        return f"</{self._lower(tokens[at].tag)}>\n"

    def link_open(
        self, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
    ) -> str:
        token = tokens[at]
        if urlsplit(str(token.attrGet("href") or "")).netloc:
            token.attrSet("rel", "noopener noreferrer nofollow")
        return str(self.renderToken(tokens, at, options, env))

    @staticmethod
    def _lower(tag: str) -> str:
        return f"h{min(int(tag[1:]) + MARGIN - 1, 6)}"


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer)
    made.enable("table").disable("image")
    made.validateLink = is_safe_link  # type: ignore[method-assign]
    return made


PARSER = _parser()


def to_html(text: str) -> str:
    """`text` as HTML in which nothing of its own is more than text and safe links."""
    return str(PARSER.render(text))


def tokens(text: str) -> list[Token]:
    """The parts of a text, each with the lines that it stands on."""
    return list(PARSER.parse(text))


# Writing


def inline(text: str) -> str:
    """Any text as one line of Markdown that says exactly that, secrets removed."""
    line = " ".join(redact(text).split())
    line = _SPECIAL.sub(lambda found: f"\\{found[0]}", line)
    return _START.sub(lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", line)


def code(text: str) -> str:
    """A name, a path or a digest, as it is."""
    return _ticked(" ".join(redact(text).split()))


def _ticked(line: str) -> str:
    if not line:
        return NOTHING
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{ticks}{pad}{line}{pad}{ticks}".replace("|", "\\|")


def block(text: str) -> str:
    """A text of several lines, exactly as it is, secrets removed."""
    text = redact(text).replace("\r\n", "\n").rstrip("\n")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def said(value: Any) -> str:
    """A value of a row: times in UTC, JSON in its one spelling, nothing as a dash."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, int | float | date):
        return str(value)
    if isinstance(value, list | tuple | dict):
        return _ticked(canonical(redact_value(value)).decode()) if value else NOTHING
    return inline(str(value)) or NOTHING


def moment(at: datetime) -> str:
    """A point in time, in UTC, to the last digit that is known."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Lines with a name in front; the values are Markdown already."""
    return "\n".join(f"- **{name}:** {value}" for name, value in pairs)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown already. Without rows, a line that says so."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return "None."
    head = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    return "\n".join([*head, *lines])


def bullets(lines: Iterable[str]) -> str:
    """A list of lines that are Markdown already; without any, one that says so."""
    return "\n".join(f"- {line}" for line in lines) or "None."


def numbered(lines: Iterable[str]) -> str:
    """Steps of lines that are Markdown already."""
    return "\n".join(f"{n}. {line}" for n, line in enumerate(lines, 1)) or "None."


def join(*parts: str) -> str:
    """Paragraphs, lists and tables, one after the other, ending with a line end."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
