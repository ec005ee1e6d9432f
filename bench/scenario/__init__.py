"""Scenario files: what may be written in them, how they are read, and the arrival schedule and plan they stand for."""
