"""Starts and watches all processes of Bellhop on one machine, for development, tests and drills."""
