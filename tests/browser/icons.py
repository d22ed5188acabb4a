"""`make icons`: the font of the pages' icons, with those only that a page can show.

The whole font is the larger half of a first visit. Which icons there are is found by
their names: words of the templates and the code of the admin and of Unfold.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import unfold
from fontTools import subset
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parents[2]
NAME = "unfold/fonts/material-symbols/Material-Symbols-Outlined.woff2"
UNFOLD = Path(unfold.__file__).parent
WHOLE, OURS = UNFOLD / "static" / NAME, ROOT / "static" / NAME
SOURCES = (
    *(UNFOLD / name for name in ("templates", "templatetags", "contrib")),
    *(ROOT / name for name in ("portal", "rollout", "drills", "templates", "static")),
)
KINDS = {".html", ".py", ".js"}
LIGATURE, EXTENSION = 4, 7  # kinds of lookups, of the OpenType specification


def icons(font: Path) -> dict[str, str]:
    """The glyph of each icon by its name, which is drawn in the place of that text."""
    read = TTFont(font)
    letters = {glyph: chr(code) for code, glyph in read.getBestCmap().items()}
    return {
        "".join(
            letters[each] for each in (first, *ligature.Component)
        ): ligature.LigGlyph
        for table in _ligatures(read)
        for first, those in table.ligatures.items()
        for ligature in those
    }


def _ligatures(font: TTFont) -> Iterator:
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            inner = table.ExtSubTable if table.LookupType == EXTENSION else table
            if inner.LookupType == LIGATURE:
                yield inner


def words() -> set[str]:
    """Whatever could be the name of an icon."""
    found: set[str] = set()
    for folder in SOURCES:
        for path in folder.rglob("*"):
            if path.suffix in KINDS:
                found |= set(re.findall(r"[a-z][a-z0-9_]+", path.read_text("utf-8")))
    return found


def main() -> None:
    """Write the font."""
    known, said = icons(WHOLE), words()
    wanted = {name: glyph for name, glyph in known.items() if name in said}
    options = subset.Options(
        flavor="woff2", layout_closure=False, layout_features=["*"], hinting=False
    )
    font = subset.load_font(str(WHOLE), options)
    subsetter = subset.Subsetter(options)
    letters = "".join(sorted(set("".join(wanted))))
    subsetter.populate(glyphs=sorted(wanted.values()), text=letters)
    subsetter.subset(font)
    OURS.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(font, str(OURS), options)
    sys.stdout.write(
        f"{len(wanted)} of {len(known)} icons, {OURS.stat().st_size // 1000} kB\n"
    )


if __name__ == "__main__":
    main()
