"""The journal's copies, from which another machine can finish: a DynamoDB item or S3 object."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pytest_storagefirst.chaos.journal import ENDING
from pytest_storagefirst.chaos.undo import told_error
from pytest_storagefirst.errors import DrillError
from pytest_storagefirst.target.target import Target

_TABLE = re.compile(r"dynamodb:([\w.-]+)")
_BUCKET = re.compile(r"s3://([\w.-]+)(?:/(.*))?")
EXPECTED = '"dynamodb:TABLE" or "s3://BUCKET/PREFIX"'
LINES = "journal"
RANGE = "storagefirst-drill"
TRIAL = "-trial"  # added to the drill's id: what is written, and deleted, before it begins


@dataclass(frozen=True)
class ItemCopy:
    """One item of a table: its hash key is the drill's id, its attribute `journal` the lines."""

    client: Any
    where: str
    table: str

    def keep(self, name: str, lines: list[str]) -> None:
        item = {**self._key(name), LINES: {"L": [{"S": line} for line in lines]}}
        self.client.put_item(TableName=self.table, Item=item)

    def fetch(self, name: str) -> bytes | None:
        found = self.client.get_item(
            TableName=self.table, Key=self._key(name), ConsistentRead=True
        ).get("Item")
        if found is None:
            return None
        return "".join(line["S"] + "\n" for line in found[LINES]["L"]).encode()

    def remove(self, name: str) -> None:
        self.client.delete_item(TableName=self.table, Key=self._key(name))

    def _key(self, name: str) -> dict[str, Any]:
        schema = self.client.describe_table(TableName=self.table)["Table"]["KeySchema"]
        values = {"HASH": name, "RANGE": RANGE}
        return {key["AttributeName"]: {"S": values[key["KeyType"]]} for key in schema}


@dataclass(frozen=True)
class ObjectCopy:
    """One object of a bucket, written anew with each line."""

    client: Any
    where: str
    bucket: str
    prefix: str

    def keep(self, name: str, lines: list[str]) -> None:
        body = "".join(line + "\n" for line in lines).encode()
        self.client.put_object(Bucket=self.bucket, Key=self._key(name), Body=body)

    def fetch(self, name: str) -> bytes | None:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self._key(name))
        except self.client.exceptions.NoSuchKey:
            return None
        body: bytes = answer["Body"].read()
        return body

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def _key(self, name: str) -> str:
        return f"{self.prefix.rstrip('/')}/{name}{ENDING}".lstrip("/")


def copies_of(wanted: Iterable[str], target: Target) -> tuple[ItemCopy | ObjectCopy, ...]:
    """The copies that these texts name. Raises DrillError."""
    return tuple(_copy(text, target) for text in wanted)


def check_copies(copies: Iterable[ItemCopy | ObjectCopy], name: str) -> list[str]:
    """Raises DrillError where a journal can't be written: nothing else shows that it may be.

    Where it may be and not be deleted again: a line each.
    """
    stays = []
    for copy in copies:
        try:
            copy.keep(f"{name}{TRIAL}", [])
        except Exception as error:
            raise DrillError(
                "the journal can't be copied there, and so the drill is not begun",
                where=copy.where,
                found=told_error(error),
                expected="a table with a key of text, or a bucket, that may be written to",
            ) from None
        try:
            copy.remove(f"{name}{TRIAL}")
        except Exception as error:
            stays.append(f"journals will stay in {copy.where}: {told_error(error)}")
    return stays


def _copy(text: str, target: Target) -> ItemCopy | ObjectCopy:
    if found := _TABLE.fullmatch(text):
        return ItemCopy(target.session().client("dynamodb"), text, found[1])
    if found := _BUCKET.fullmatch(text):
        return ObjectCopy(target.session().client("s3"), text, found[1], found[2] or "")
    raise DrillError("the journal can't be copied there", found=text, expected=EXPECTED)
