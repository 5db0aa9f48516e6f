"""Scores of folders, benchmarks, ablations and their reports."""
