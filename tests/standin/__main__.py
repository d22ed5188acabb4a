"""`python -m tests.standin`."""

import sys

from tests.standin.cli import main

sys.exit(main(sys.argv[1:]))
