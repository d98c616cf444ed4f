"""What to try: the sweep of faults, Hypothesis strategies, replay, and the stack a test holds."""

from pytest_storagefirst.explore.unrewritten import install

install()
