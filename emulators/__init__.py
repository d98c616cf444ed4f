"""Where moto and ministack differ from AWS: probes, what they observed, and the page that tells.

`python -m emulators` asks both and writes results.json and docs/emulators.md.
"""
