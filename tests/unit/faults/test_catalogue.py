"""What AWS's names say of an operation, and what sort a point is of."""

from __future__ import annotations

import pytest

from pytest_storagefirst.faults import catalogue


@pytest.mark.parametrize("operation", ["GetItem", "BatchGetItem", "Query", "ReceiveMessage"])
def test_reading_leaves_the_world_as_it_was(operation):
    assert catalogue.is_read_only(operation)


@pytest.mark.parametrize("operation", ["PutItem", "BatchWriteItem", "SendMessage", "DeleteObjects"])
def test_writing_does_not(operation):
    assert not catalogue.is_read_only(operation)


@pytest.mark.parametrize(
    ("point", "sort"),
    [
        ("dynamodb.PutItem", catalogue.CALL),
        ("http POST https://a.b/c", catalogue.HTTP),
        ("invocation", catalogue.INVOCATION),
        ("delivery", catalogue.DELIVERY),
        ("request", catalogue.REQUEST),
    ],
)
def test_the_sort_of_a_point(point, sort):
    assert catalogue.sort_of_point(point) == sort


def test_batch_writes_transactions_and_stale_reads_are_operations_that_botocore_knows():
    from botocore.session import Session

    session = Session()
    listed = catalogue.BATCH_WRITES | catalogue.EVENTUALLY_CONSISTENT_READS
    for name in listed | set(catalogue.TRANSACTIONS):
        service, _, operation = name.partition(".")
        assert operation in session.get_service_model(service).operation_names
