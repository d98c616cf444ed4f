"""Values for what a template takes from elsewhere: another stack's export, a parameter store, a
type that plays no part. They are made from the name alone, so every run sees the same ones."""

from __future__ import annotations

import hashlib
import re


def invented_value(name: str, region: str, account: str) -> str:
    """ "invented-<name>", or shaped as an ARN when the name says that it is one.

    The CDK ends the names of its exports with eight hexadecimal digits.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-") or "value"
    if not re.search(r"arn$|Arn[0-9A-F]{8}$", name, re.IGNORECASE):
        return f"invented-{plain}"
    lowered = name.lower()
    for word, arn in _ARN_SHAPES:
        if word in lowered:
            return arn.format(region=region, account=account, name=f"invented-{plain}")
    return f"arn:aws:invented:{region}:{account}:invented-{plain}"


_ARN_SHAPES = (
    ("role", "arn:aws:iam::{account}:role/{name}"),
    ("policy", "arn:aws:iam::{account}:policy/{name}"),
    ("layer", "arn:aws:lambda:{region}:{account}:layer:{name}:1"),
    ("function", "arn:aws:lambda:{region}:{account}:function:{name}"),
    ("lambda", "arn:aws:lambda:{region}:{account}:function:{name}"),
    ("queue", "arn:aws:sqs:{region}:{account}:{name}"),
    ("sqs", "arn:aws:sqs:{region}:{account}:{name}"),
    ("dlq", "arn:aws:sqs:{region}:{account}:{name}"),
    ("topic", "arn:aws:sns:{region}:{account}:{name}"),
    ("sns", "arn:aws:sns:{region}:{account}:{name}"),
    ("table", "arn:aws:dynamodb:{region}:{account}:table/{name}"),
    ("bucket", "arn:aws:s3:::{name}"),
    ("stream", "arn:aws:kinesis:{region}:{account}:stream/{name}"),
    ("bus", "arn:aws:events:{region}:{account}:event-bus/{name}"),
    ("key", "arn:aws:kms:{region}:{account}:key/{name}"),
    ("userpool", "arn:aws:cognito-idp:{region}:{account}:userpool/{region}_{name}"),
)


def generated_name(stack_name: str, logical_id: str, longest: int) -> str:
    """The physical name CloudFormation would generate, with a suffix that is always the same."""
    digest = hashlib.sha256(f"{stack_name}/{logical_id}".encode()).hexdigest()
    suffix = digest[:12].upper()
    stem = f"{stack_name}-{logical_id}"[: longest - len(suffix) - 1]
    return f"{stem}-{suffix}"
