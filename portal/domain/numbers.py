"""Whole numbers that strangers write."""

LONGEST = 18  # digits: whatever has more is no number of ours


def is_number(text: str) -> bool:
    """Whether this is a whole number in plain digits, of a size that we know."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST
