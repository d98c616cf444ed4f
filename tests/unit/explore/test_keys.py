"""Objects with awkward keys are processed as those with plain ones, or it is told why not.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

import json

import pytest

from pytest_storagefirst.errors import EntryError
from pytest_storagefirst.explore.exploration import explore
from pytest_storagefirst.explore.keys import judge_keys
from pytest_storagefirst.explore.replay import replay
from pytest_storagefirst.settings import Settings
from pytest_storagefirst.settings_file import load_settings
from pytest_storagefirst.simulation.routing import buckets
from pytest_storagefirst.simulation.schedule import Send

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Inbox:
    Type: AWS::S3::Bucket
    Properties: INBOX
  Dead: {Type: AWS::SQS::Queue}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: "*", Action: sqs:SendMessage, Resource: "*"}]
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: .
      Timeout: 10
      Policies: [AdministratorAccess]
      Environment: {Variables: {TABLE: !Ref Table}}
      Events: {From: FROM}
"""
FROM_BUCKET = """{Type: S3, Properties: {Bucket: !Ref Inbox, Events: "s3:ObjectCreated:*",
        Filter: {S3Key: {Rules: [{Name: prefix, Value: in/}, {Name: suffix, Value: .json}]}}}}"""
FROM_QUEUE = "{Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}"
TO_QUEUE = """{NotificationConfiguration: {QueueConfigurations:
      [{Event: "s3:ObjectCreated:*", Queue: !GetAtt Queue.Arn}]}}"""
FROM_BUS = """{Type: EventBridgeRule, Properties: {Pattern: {source: [aws.s3],
        detail: {object: {key: [{prefix: in/}]}}}}}"""
TO_BUS = "{NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}}"

APP = """
import json, os, urllib.parse, boto3
s3 = boto3.client("s3")
TAG = {"Key": "seen", "Value": "yes"}
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

def work(bucket, key):
    READ
    body = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    table.put_item(Item={"id": body["id"], "key": key})

def handler(event, context):
    if "detail" in event:
        return work(event["detail"]["bucket"]["name"], event["detail"]["object"]["key"])
    for record in event["Records"]:
        notified = json.loads(record["body"]) if "body" in record else {"Records": [record]}
        for one in notified.get("Records", []):
            work(one["s3"]["bucket"]["name"], one["s3"]["object"]["key"])
"""
TOML = '[[entry]]\nbucket = "Inbox"\nbody = { id = "{unique}" }\n'
DECODED = "key = urllib.parse.unquote_plus(key)"


@pytest.fixture
def stack(workshop):
    """The template of a stack whose function does this with a key first."""

    def written(read, origin=FROM_BUCKET, inbox="{}", toml=TOML, app=APP):
        template = TEMPLATE.replace("INBOX", inbox).replace("FROM", origin)
        return workshop.write(app.replace("READ", read), toml, template)

    return written


@pytest.fixture
def told(stack, workshop):
    """(property, verdict, why, the object's key) of the run that is judged by its key."""

    def of(*args, **more):
        judge = workshop.judge(stack(*args, **more))
        judged = judge_keys(judge, judge.deployed.entries[0])
        if judged is None:
            return None
        ((name, verdict),) = judged.verdicts.items()
        return name, verdict.value, verdict.why, judged.schedule.workload[0].key

    return of


LOSS = ("no-message-loss", "violated")


@pytest.mark.parametrize(
    ("read", "key", "why"),
    [
        ("pass", "in/{unique} a.json", "Worker asks S3 for the key as it was told: decode it once"),
        (
            "key = urllib.parse.unquote(key)",
            "in/{unique} a.json",
            "decode it once, with urllib.parse.unquote_plus(key)",
        ),
        (
            'key = key.replace("+", " ")',
            "in/{unique}+a.json",
            "decode it once, with urllib.parse.unquote_plus(key)",
        ),
        (
            "key = urllib.parse.unquote_plus(urllib.parse.unquote_plus(key))",
            "in/{unique}+a.json",
            "Worker decodes it once too often",
        ),
        (
            'key = urllib.parse.unquote_plus(key).encode("ascii", "ignore").decode()',
            "in/{unique}é.json",
            "Worker failed with it: NoSuchKey",
        ),
    ],
    ids=["not at all", "unquote", "spaces alone", "twice", "ASCII alone"],
)
def test_a_key_that_is_not_decoded_loses_its_object(told, read, key, why):
    name, value, said, sent = told(read)

    assert (name, value, sent) == (*LOSS, key)
    assert said.startswith("m1 was acknowledged and left no item in Table, as an object with a pl")
    assert why in said
    assert said.endswith('write key = "in/{unique}.json" in its [[entry]])')


def test_the_key_is_told_as_it_is_sent_and_as_the_notification_has_it(told):
    said = told("pass")[2]

    assert (
        "Its key is 'in/m1 a.json', which its notification tells URL-encoded, as 'in/m1+a" in said
    )


@pytest.mark.parametrize(
    "use",
    [
        "table.put_item(Item={'id': key})",
        "s3.copy_object(Bucket=bucket, Key='x' + key, CopySource={'Bucket': bucket, 'Key': key})",
        "s3.copy_object(Bucket=bucket, Key='done/' + key, CopySource=f'{bucket}/{key}')",
        "boto3.resource('s3').Object(bucket, 'x' + key).copy({'Bucket': bucket, 'Key': key})",
        "s3.head_object(Bucket=bucket, Key=key)",
        "s3.put_object_tagging(Bucket=bucket, Key=key, Tagging={'TagSet': [TAG]})",
        "s3.download_file(bucket, key, '/tmp/' + os.path.basename(key))",
        "[s3.head_object(Bucket=bucket, Key=one['Key']) for one in "
        "s3.list_objects_v2(Bucket=bucket, Prefix=key)['Contents']]",
        "s3.put_object(Bucket=bucket, Key='done/' + key, Body=b'x')\n"
        "    s3.delete_objects(Bucket=bucket, Delete={'Objects': [{'Key': 'done/' + key}]})",
    ],
)
def test_who_decodes_it_once_is_sound(told, use):
    assert told(f"{DECODED}\n    {use}")[:3] == ("no-message-loss", "ok", "")


def test_who_only_hands_the_encoded_key_on_loses_nothing(told):
    app = APP.replace(
        '    body = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())', ""
    )
    app = app.replace('body["id"]', "key")

    assert told("pass", app=app)[1] == "ok"


def test_behind_a_queue_it_is_held_and_no_redrive_processes_it(told):
    name, value, why, _ = told("pass", FROM_QUEUE, TO_QUEUE)

    assert (name, value) == ("redrive-completes", "violated")
    assert "Worker asks S3 for the key as it was told" in why
    assert told(DECODED, FROM_QUEUE, TO_QUEUE)[1] == "ok"


def test_an_error_that_is_swallowed_loses_it_behind_a_queue_too(told):
    read = "try: s3.head_object(Bucket=bucket, Key=key)\n    except Exception: return"

    assert told(read, FROM_QUEUE, TO_QUEUE)[:2] == LOSS


def test_eventbridge_tells_it_as_it_is(told):
    assert told("pass", FROM_BUS, TO_BUS)[1] == "ok"

    name, value, why, key = told(DECODED, FROM_BUS, TO_BUS)

    assert (name, value, key) == (*LOSS, "in/{unique}+a")
    assert "'in/m1+a', which EventBridge tells as it is" in why
    assert "Worker decodes it once too often: use it as it is told" in why


def test_a_key_that_the_user_writes_is_the_only_one_that_is_sent(told):
    assert told("pass", toml=TOML + 'key = "in/{unique}.json"\n') is None
    with pytest.raises(EntryError, match=r"sent .* under the key 'in/some \{unique\}.json'"):
        told("pass", toml=TOML + 'key = "in/some {unique}.json"\n')


def test_a_key_that_is_written_goes_to_the_bucket(stack, workshop):
    judge = workshop.judge(stack(DECODED, toml=TOML + 'key = "in/some {unique}.json"\n'))
    (entry,) = judge.deployed.entries

    (item,) = [
        one
        for one in judge.alone(Send("m1", entry.name, entry.body))[0].effects
        if one.kind == "item"
    ]

    assert item.value["key"]["S"].startswith("in/some m1-")


@pytest.mark.parametrize(
    "read",
    [
        'raise ValueError("with every object")',
        "import uuid; table.put_item(Item={'id': str(uuid.uuid4())}) if __import__('time').time() "
        "% 2 else None\n    return",
    ],
    ids=["always fails", "no two runs alike"],
)
def test_what_no_plain_key_shows_is_not_judged(stack, workshop, read):
    judge = workshop.judge(stack(read), described=False)
    (entry,) = judge.deployed.entries

    judged = judge_keys(judge, entry)

    assert judged is None or judged.verdicts[LOSS[0]].value == "ok"


def test_without_any_effect_it_is_judged_by_what_becomes_of_it(told):
    silent = APP.replace('    table.put_item(Item={"id": body["id"], "key": key})', "")

    assert told("pass", app=silent)[:2] == LOSS
    assert told(DECODED, app=silent)[1] == "ok"


def test_an_exploration_tells_it_and_a_replay_says_when_it_is_fixed(stack, tmp_path):
    template = stack("pass")
    settings = load_settings(template, Settings(budget_seconds=0))
    found = {one.name: one for one in explore(template, settings).properties}
    witness = found["no-message-loss"].witness
    assert found["no-message-loss"].lost == ("m1",)
    assert found["no-message-loss"].story[0] == "m1 is an object with the key 'in/m1 a.json'"
    assert any("URL-encoded key 'in/<m1>+a.json'" in line for line in witness["story"])
    file = tmp_path / "replay.json"
    file.write_text(json.dumps({**witness, "template": str(template)}))

    again = replay(file, Settings(budget_seconds=0))
    assert (again.verdict, again.why) == ("violated", found["no-message-loss"].why)
    assert again.story == found["no-message-loss"].story

    stack(DECODED)
    assert replay(file, Settings(budget_seconds=0)).verdict == "ok"

    stack("pass", toml=TOML + 'key = "in/{unique}.json"\n')
    again = replay(file, Settings(budget_seconds=0))
    assert (again.verdict, "run the whole test again" in again.why) == ("unknown", True)


def test_a_key_is_encoded_as_the_page_shows_it():
    assert buckets.encoded("photos/red flower.jpg") == "photos/red+flower.jpg"
    assert buckets.encoded("a+é") == "a%2B%C3%A9"
