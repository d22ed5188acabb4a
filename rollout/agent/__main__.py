"""`python -m rollout.agent --config agent.toml`: the agent without Django."""

import argparse
import sys
from pathlib import Path

from portal import logs
from portal.errors import Refusal
from rollout.agent.agent import run
from rollout.agent.config import load

BAD_INPUT = 2


def main() -> int:
    """Run until told to stop; 2 and one line on stderr when it cannot."""
    parser = argparse.ArgumentParser(
        prog="python -m rollout.agent",
        description="Govern an installation of the research system.",
    )
    parser.add_argument("--config", type=Path, required=True, help="such as agent.toml")
    parser.add_argument("--once", action="store_true", help="one round, then end")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what it would do, and do nothing"
    )
    parser.add_argument("--log-level", default="INFO")
    asked = parser.parse_args()
    logs.configure(level=asked.log_level.upper())
    try:
        config = load(asked.config)
        return run(config, once=asked.once, dry_run=asked.dry_run)
    except Refusal as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
