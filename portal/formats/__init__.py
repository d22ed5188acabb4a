"""How Django writes dates in each language."""
