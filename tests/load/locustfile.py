"""The locustfile of load runs against front_door.py, whose URL stands in FRONT_DOOR."""

import json
import os
import urllib.request
from pathlib import Path

from locust import LoadTestShape, User, events, task

from pytest_storagefirst.errors import TargetError
from pytest_storagefirst.load.wiring import Run
from pytest_storagefirst.settings import Entry, Settings
from pytest_storagefirst.stack.topology import Integration, Route, Topology
from pytest_storagefirst.target.observe import Sample

ROUTE = "POST /messages"
URL = os.environ["FRONT_DOOR"]


class FrontDoor:
    """The target: one route, and nothing between it and the effect."""

    stack_name, region, account, endpoint_url, downstream_url = "doors", "here", "1", URL, URL
    settings = Settings(entries=(Entry("route", ROUTE, {"id": "{unique}"}),))

    def __init__(self, name):
        self.name = name

    def topology(self):
        integration = Integration("AWS_PROXY", subtype="SQS-SendMessage")
        route = Route("Api", "api", "HTTP", "POST", "/messages", "$default", integration)
        return Topology("doors", "1", "here", routes=(route,))

    def url_of(self, route):
        return f"{URL}/messages"


class Observer:
    circuit_changes = ()

    def __init__(self, target, run):
        self.run = run
        self.circuit_changes = []
        self.processed_so_far = {}
        self.rests = self.looks = False

    def state(self):
        with urllib.request.urlopen(f"{URL}/state", timeout=10) as answer:
            return json.load(answer)

    def processed(self):
        return {one: n for one, n in self.state()["effects"].items() if one.startswith(self.run)}

    def processed_at(self):
        return dict.fromkeys(self.processed(), 0.0)

    def sample(self, accepted=None):
        if self.looks:  # as a page of a store is read by one at a time
            return Sample(0.0)
        self.looks = True
        try:
            return self.look(accepted)
        finally:
            self.looks = False

    def look(self, accepted):
        with urllib.request.urlopen(f"{URL}/count", timeout=10) as answer:
            told = json.load(answer)
        self.rests = told["rests"]
        if not accepted or told["effects"] < 5000:
            self.processed_so_far = self.processed()
        return Sample(0.0, visible=told["held"], in_flight=0, dead=0, processed=told["effects"])

    waiting_places = frozenset()

    def held(self, processed):
        return {}

    def in_queues(self):
        return {}

    def doubts(self):
        return ()

    def check(self):
        """It may do all that it does."""

    def doubled(self):
        return ""

    def watch_circuit(self, is_over):
        """It has none."""

    def downstream_calls(self):
        return []

    def quiet(self, unprocessed):
        if "QUIET_FAILS" in os.environ:
            raise RuntimeError("nobody\nforesaw this")
        return self.rests and not unprocessed


def find(name, folder):
    if name != "local":
        raise TargetError("no such stack", found=name, expected="local")
    return FrontDoor(name)


run = Run(events, Path(__file__).parent, find=find, observe=Observer)


class Sender(User):
    @task
    def offer(self):
        run.offer()


class Shape(LoadTestShape):
    def tick(self):
        return run.tick()
