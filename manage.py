#!/usr/bin/env python
"""The command line of the portal."""

import os
import sys

from django.core.management import execute_from_command_line

from portal.embedded import servers_for_a_command


def main() -> None:
    """Run a command, with the servers that it needs."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    with servers_for_a_command(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
