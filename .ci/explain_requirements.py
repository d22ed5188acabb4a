"""Put each direct dependency's reason, as pyproject.toml has it, above its line."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REASON = re.compile(r'^\s*"([a-z0-9-]+)[^"]*",\s*#\s*(.+)$', re.MULTILINE)


def main() -> None:
    """Rewrite the requirements files; doing it twice changes nothing."""
    reasons = dict(REASON.findall((ROOT / "pyproject.toml").read_text()))
    names = (
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-contract.txt",
        "requirements-browser.txt",
    )
    for name in names:
        path = ROOT / name
        lines = [
            line
            for line in path.read_text().splitlines()
            if not line.startswith("# why ")
        ]
        found = []
        for line in lines:
            package = re.match(r"([a-z0-9-]+)(\[[^]]*\])?==", line)
            if package and package[1] in reasons:
                found.append(f"# why {package[1]}: {reasons[package[1]]}")
            found.append(line)
        path.write_text("\n".join(found) + "\n")


if __name__ == "__main__":
    main()
