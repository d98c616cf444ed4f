"""Chaos drills: faults in a deployed stack that are proven, judged and always undone."""
