"""Practising for the day it goes wrong, and that day."""
