"""Documents of report.json, as runs write them, small enough to be read."""

from __future__ import annotations

from pytest_storagefirst.explore.coverage import Cell, Coverage
from pytest_storagefirst.explore.graph import Graph, Link, Node
from pytest_storagefirst.explore.outcome import Outcome
from pytest_storagefirst.explore.result import PropertyResult, StackResult
from pytest_storagefirst.ledger.accounting import Account
from pytest_storagefirst.ledger.events import Event
from pytest_storagefirst.ledger.verdict import Verdict
from pytest_storagefirst.report.narrative import in_lines, steps

FAULT = "Worker: dynamodb.PutItem #2: refused(access-denied)"
GRAPH = Graph(
    nodes=(
        Node("POST /orders", "route"),
        Node("OrdersQueue", "queue"),
        Node("Worker", "function"),
        Node("Orders", "table"),
        Node("payments.example", "third party"),
        Node("OrdersDeadLetters", "dead letters"),
    ),
    links=(
        Link("POST /orders", "OrdersQueue", "hands on"),
        Link("OrdersQueue", "Worker", "hands on"),
        Link("OrdersQueue", "OrdersDeadLetters", "sets aside"),
        Link("Worker", "Orders", "calls"),
        Link("Worker", "payments.example", "calls"),
    ),
    entries=("POST /orders",),
)
HISTORY = (
    Event(0, "attempted", ("m1",), "POST /orders", "request 1"),
    Event(0, "stored", ("m1",), "OrdersQueue"),
    Event(0, "acknowledged", ("m1",), "POST /orders", "200"),
    Event(101, "delivered", ("m1",), "Worker", "receive 1 from OrdersQueue", 1),
    Event(101, "called", ("m1",), "Worker", "dynamodb.PutItem #1", 1),
    Event(103, "effected", ("m1",), "Worker", "dynamodb.PutItem #1", 1),
    Event(104, "called", ("m1",), "Worker", "http POST https://payments.example/charge #1", 1),
    Event(106, "called", ("m1",), "Worker", "dynamodb.PutItem #2", 1),
    Event(108, "faulted", ("m1",), "Worker", FAULT),
    Event(111, "errored", ("m1",), "Worker", "dynamodb.PutItem #2: AccessDeniedException", 1),
    Event(112, "failed", ("m1",), "Worker", "an exception", 1),
    Event(180_201, "delivered", ("m1",), "Worker", "receive 2 from OrdersQueue", 2),
    Event(180_207, "succeeded", ("m1",), "Worker", "", 2),
    Event(180_207, "deleted", ("m1",), "OrdersQueue"),
)
WHY = "m1 was acknowledged and left no effect"
ACCOUNT = Account(
    attempted=frozenset({"m1"}), acknowledged=frozenset({"m1"}), lost=frozenset({"m1"})
)


def told(history=HISTORY, plan=(FAULT,)):
    def callee(function, call):
        return "payments.example" if call.startswith("http") else "Orders"

    return steps(history, {}, Verdict("violated", WHY), plan, ACCOUNT, callee)


def losing(**fields):
    """A result of a stack that loses a message."""
    lines = told()
    return StackResult(
        "orders/template.yaml",
        (
            PropertyResult(
                "no-message-loss",
                "violated",
                WHY,
                214,
                71,
                lost=("m1",),
                story=in_lines(lines),
                steps=lines,
                witness={"schedule": {}},
                transitions=((60.2, "CLOSED", "OPEN"), (120.3, "OPEN", "HALF_OPEN")),
            ),
            PropertyResult("drains", "ok", runs=1_213, faults_tried=71),
            PropertyResult("order-preserved", "not-applicable", "nothing promises an order"),
            PropertyResult("poison-isolated", "unknown", "no run shows anything"),
        ),
        notes=("POST /orders: no body is given",),
        inert=("Alarm (AWS::CloudWatch::Alarm)",),
        seconds=9.8,
        coverage=Coverage(
            cells=(
                Cell("Worker: dynamodb.PutItem #1", "response-lost", "held"),
                Cell("Worker: dynamodb.PutItem #2", "response-lost", "violated"),
                Cell("Worker: dynamodb.PutItem #2", "stale", "never fired"),
                Cell("OrdersQueue: delivery #1", "duplicate", "not tried"),
            ),
            pairs_tried=840,
            pairs_left=40,
            sometimes={"redelivery": 120, "dead letter": 0},
        ),
        graph=GRAPH,
        **fields,
    )


OUTCOME = Outcome(
    result=losing(), replays={"no-message-loss": "out/replays/o-no-message-loss.json"}
)
REFUSED = Outcome(refusal="template.yaml:17: parameter Stage has no value\n  do: write one")
AUDIT = {
    "name": "audit:default-response-200",
    "verdict": "violated",
    "why": "a refusal is told as success",
    "runs": 3,
    "faults_tried": 1,
    "lost": ["m1"],
    "story": ["0.000  m1 sent to POST /orders", "violated: m1 is lost"],
    "witness": "replays/audit.json",
    "rule": "default-response-200",
    "severity": "error",
    "resource": "Api",
    "line": 12,
    "page": "https://docs.aws.amazon.com/apigateway/latest/developerguide/x.html",
    "remedy": ["selectionPattern: '2\\d\\d'"],
    "findings": [
        {
            "resource": "Api",
            "line": 12,
            "message": "the default response is 200",
            "remedy": ["selectionPattern: '2\\d\\d'"],
        },
        {
            "resource": "Other",
            "line": 40,
            "message": "so is this one",
            "remedy": [],
            "advice": "it takes part in nothing",
        },
    ],
}
ADVICE = {
    **AUDIT,
    "name": "audit:no-alarm",
    "verdict": "not-applicable",
    "rule": "no-alarm",
    "severity": "note",
    "story": [],
    "witness": None,
    "findings": [],
}
