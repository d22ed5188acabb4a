"""The report of an evidence pack as PDF, by a library that needs no browser.

Loaded by name where a report is made (`pack_exports`): that library would cost every
process of the portal half a second at its start.
"""

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from drills.services.pack_reports import of_round, shown_at
from drills.services.signatures import Round

MARGIN_MM, SMALL, NORMAL, LARGE = 16, 8, 9.5, 14
GREY = (90, 90, 90)
_PLAIN = str.maketrans(
    {"\N{RIGHTWARDS ARROW}": "->", "\N{EN DASH}": "-", "\N{EM DASH}": "-"}
)


def as_pdf(found: Round) -> bytes:
    """The same, in PDF; characters that its fonts lack are spelled by their number."""
    report = of_round(found)
    pack, said = report["pack"], report["said"]
    pdf = FPDF(format="A4")
    pdf.set_creation_date(pack.assembled_at)
    pdf.set_margin(MARGIN_MM)
    pdf.set_title(_latin(str(pack)))
    pdf.add_page()
    page = _Page(pdf)
    page.heading(f"Release gate {said['gate']['letter']}: {said['gate']['title']}")
    page.line(f"{said['rollout']['name']} ({said['rollout']['key']})")
    page.line(
        f"Evidence pack {pack.number} of gate version {pack.gate_version}, assembled "
        f"{shown_at(pack.assembled_at)}, asked for by {said['asked_by']}"
    )
    page.mono(pack.pack_hash)
    if not pack.is_complete:
        page.line("INCOMPLETE: this pack cannot be signed.", bold=True)
        for each in pack.troubles:
            page.line(f"- {each}")
    page.heading("Signatures", large=False)
    if not report["standings"]:
        page.line("Nobody has signed this pack.")
    for each in report["standings"]:
        signed = each["signoff"]
        page.line(
            f"{signed.get_verdict_display()} by {signed.name} as {signed.role}, "
            f"{shown_at(signed.signed_at)}; {each['says']}",
            bold=True,
        )
        page.quote(signed.statement)
    page.heading("Rubric and evidence", large=False)
    for item in report["items"]:
        page.line(item["says"], bold=True)
        page.table(
            ("Requirement", "What is there", "Digest", "Until"),
            [
                (
                    f"{row['title']}\n{row['threshold']}",
                    row["line"],
                    row["digest"],
                    (row["expires_at"] or "")[:10],
                )
                for row in item["evidence"]
            ],
        )
    page.heading("Who had a part in it, and so cannot sign", large=False)
    for each in said["people"]:
        page.line(f"{each['name']}: {'; '.join(each['parts'])}")
    page.heading("Files", large=False)
    page.table(
        ("File", "SHA-256", "Bytes"),
        [
            (path, each["digest"], str(each["size"]))
            for path, each in sorted(said["files"].items())
        ],
        widths=(3, 5, 1),
    )
    return bytes(pdf.output())


class _Page:
    """Writing on a PDF, line by line."""

    def __init__(self, pdf: FPDF) -> None:
        self.pdf = pdf

    def heading(self, text: str, *, large: bool = True) -> None:
        self.pdf.ln(2)
        self._write(text, size=LARGE if large else NORMAL + 2, style="B")

    def line(self, text: str, *, bold: bool = False) -> None:
        self._write(text, size=NORMAL, style="B" if bold else "")

    def mono(self, text: str) -> None:
        self._write(text, size=SMALL + 0.5, family="Courier")

    def quote(self, text: str) -> None:
        self.pdf.set_text_color(*GREY)
        self._write(text, size=SMALL)
        self.pdf.set_text_color(0, 0, 0)

    def table(
        self,
        header: tuple[str, ...],
        rows: list[tuple[str, ...]],
        *,
        widths: tuple[int, ...] = (4, 4, 3, 1),
    ) -> None:
        self.pdf.set_font("Helvetica", size=SMALL - 1)
        with self.pdf.table(
            col_widths=widths,
            text_align="LEFT",
            headings_style=FontFace(emphasis="BOLD"),
            line_height=self.pdf.font_size * 1.3,
            wrapmode="CHAR",
        ) as table:
            for cells in [header, *rows]:
                row = table.row()
                for cell in cells:
                    row.cell(_latin(cell))

    def _write(
        self, text: str, *, size: float, style: str = "", family: str = "Helvetica"
    ) -> None:
        self.pdf.set_font(family, style=style, size=size)
        self.pdf.multi_cell(
            0,
            self.pdf.font_size * 1.35,
            _latin(text),
            align="L",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )


def _latin(text: str) -> str:
    """What the fonts of every PDF reader have; anything else by its number."""
    return "".join(
        each if each.encode("latin-1", "ignore") else f"[U+{ord(each):04X}]"
        for each in text.translate(_PLAIN)
    )
