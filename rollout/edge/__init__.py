"""The data plane: a small ASGI app that answers from memory.

It never touches the database on the path of a request; one thread keeps the newest
snapshots, the tokens and what is asked of runs in memory.
"""
