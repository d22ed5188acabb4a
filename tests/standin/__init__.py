"""A stand-in for the research system's command line, for tests of what drives it.

`python -m tests.standin <command> --manifest ABS --reason R --json` keeps the contract
of the real one: its commands, its one-line answers, exit codes, lock, tick marker and
documents. It needs the standard library only, so that one tick starts at once.

What it does besides is said by its environment:

- `STANDIN_ROOT`: the installation, where `settings.json` is (else the current folder)
- `STANDIN_LEASE_S`, `STANDIN_MARKER_S`: how long a lock (120) and a marker of an
  unfinished tick (300) count, in seconds
- `STANDIN_SCENARIO`: a file that says what goes wrong (`tests/standin/scenario.py`)
"""
