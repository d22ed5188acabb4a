"""Measured speed, as ratios within one run; absolute figures differ by machine."""
