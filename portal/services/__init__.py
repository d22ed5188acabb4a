"""Acts: one function, one transaction, always the same six beats.

require, lock, decide, save, record, enqueue.
"""
