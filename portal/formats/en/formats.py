"""Dates as people in every country read them, with the zone that they are in."""

DATETIME_FORMAT = "j M Y H:i T"
DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i T"
