"""Load on a storage-first stack: one user, one shape, and profiles as data in profiles.toml.

    storagefirst load burst --target local
    locust -f "$(storagefirst load --path)" --storagefirst-load-profile burst

A copy to edit: storagefirst load --init, then storagefirst load burst --file load/locustfile.py
"""

from pathlib import Path

from locust import LoadTestShape, User, events, task  # before anything that imports boto3

from pytest_storagefirst.load.wiring import Run

run = Run(events, Path(__file__).parent)


class Sender(User):
    """One in each process. It sends each message at its moment, however slow answers are."""

    @task
    def offer(self):
        # A stack that wants its requests signed, say: give offer() a function of your own,
        # (message id, kind) -> Answer, and build on run.sending().
        run.offer()


class Shape(LoadTestShape):
    """One user a process while messages are due, none while the stack drains."""

    def tick(self):
        return run.tick()
