"""What DESIGN promises as figures, measured: `python -m benchmarks`, one JSON line a figure."""
