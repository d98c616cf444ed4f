"""The options of a load run under Locust itself."""

from __future__ import annotations

from typing import Any


def add_options(parser: Any, **_: Any) -> None:
    parser.add_argument(
        "--storagefirst-load-profile",
        default="smoke",
        metavar="NAME",
        help="The profile; storagefirst load --list names them",
    )
    parser.add_argument(
        "--storagefirst-target", default="local", metavar="TARGET", help="local, or stack:NAME"
    )
    parser.add_argument(
        "--storagefirst-slo",
        action="append",
        metavar="EXPR",
        help="An objective, as in ingest.p99<300ms; may be given several times",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--storagefirst-report",
        default="",
        metavar="DIR",
        help="Where the report goes; else .storagefirst/load/RUN",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--storagefirst-load-duration",
        type=float,
        metavar="SECONDS",
        help="Stretch or shorten what comes after the warm-up to this",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--storagefirst-quiet",
        action="store_true",
        help="Leave out Locust's own tables",
        include_in_web_ui=False,
    )
    # Locust binds both to all interfaces.
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
