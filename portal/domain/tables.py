"""Tables that people open with programs that calculate."""

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(cell: str) -> str:
    """The text of a cell, so that no program takes it for a formula.

    >>> harmless('=HYPERLINK("https://example.org")')
    '\\'=HYPERLINK("https://example.org")'
    """
    return f"'{cell}" if cell.lstrip(" ").startswith(_BEGINS_A_FORMULA) else cell
