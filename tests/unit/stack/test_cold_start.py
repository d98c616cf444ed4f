"""What a cold process imports on its way to a verdict, and what it leaves alone."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import UnknownServiceError

from pytest_storagefirst.stack.api_models import share_models

ROOT = Path(__file__).parents[3]
ORDERS = ROOT / "examples" / "orders"

# Tells at the end of a pytest run which modules it has imported.
PROBE = """\
import json, os, sys
def pytest_unconfigure(config):
    with open(os.environ["IMPORTED"], "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def run(*arguments: str, folder: Path, **variables: str) -> str:
    """What a Python process with this tree's package prints; it must succeed."""
    found = os.pathsep.join([str(ROOT), str(folder)])
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": found,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **variables,
        },
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def imported_by_pytest(folder: Path, *arguments: str) -> list[str]:
    (folder / "probe.py").write_text(PROBE, encoding="utf-8")
    told = folder / "imported.json"
    options = ["-q", "-p", "no:cacheprovider", "-p", "probe", "-p", "storagefirst"]
    run("-m", "pytest", *options, *arguments, folder=folder, IMPORTED=str(told))
    names: list[str] = json.loads(told.read_text(encoding="utf-8"))
    return names


def among(imported: list[str], *packages: str) -> set[str]:
    """Which of these packages are among the imported modules, wholly or in part."""
    return {
        package
        for package in packages
        for name in imported
        if name == package or name.startswith(f"{package}.")
    }


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    shutil.copytree(ORDERS, tmp_path / "orders")
    return tmp_path / "orders" / "template.yaml"


def test_collecting_a_template_stands_nothing_up(orders: Path, tmp_path: Path) -> None:
    imported = imported_by_pytest(tmp_path, "--collect-only", str(orders))
    heavy = ("hypothesis", "moto", "time_machine", "pytest_storagefirst.simulation")
    assert among(imported, *heavy) == set()
    assert among(imported, "pytest_storagefirst.collect")


def test_a_judged_stack_imports_only_what_it_needs(orders: Path, tmp_path: Path) -> None:
    imported = imported_by_pytest(tmp_path, "--storagefirst-budget=0", str(orders))
    assert among(imported, "moto.sqs", "moto.dynamodb", "samtranslator.translator")
    services = {name.split(".")[1] for name in imported if name.startswith("moto.")}
    assert services.isdisjoint(
        {
            "autoscaling",
            "batch",
            "ec2",
            "ecs",
            "efs",
            "elbv2",
            "rds",
            "redshift",
            "sagemaker",
            "ssm",
        }
    )
    heavy = ("airspeed", "cfnlint", "docker", "hypothesis", "joserfc", "locust", "numpy", "rich")
    assert among(imported, *heavy, "samtranslator.validator.validator") == set()


# --- moto's CloudFormation in the same process -----------------------------------------------

DEPLOY = """\
import sys
from pathlib import Path
from moto import mock_aws
from pytest_storagefirst.stack.deploy import deploy
from pytest_storagefirst.stack.template import load_template
with mock_aws():
    deploy(load_template(Path(sys.argv[1])))
assert "moto.ec2" not in sys.modules
"""

LIST = """
from moto.cloudformation import parsing
print(*sorted(parsing.get_model_map()), sep="\\n")
"""

OF_THE_USERS_OWN = """
import json, boto3
with mock_aws():
    session = boto3.Session("AKIA", "secret", region_name="us-east-1")
    session.client("ssm").put_parameter(Name="range", Value="10.7.0.0/16", Type="String")
    session.client("cloudformation").create_stack(StackName="own", TemplateBody=json.dumps({
        "Parameters": {"Range": {
            "Type": "AWS::SSM::Parameter::Value<String>", "Default": "range",
        }},
        "Resources": {"Net": {"Type": "AWS::EC2::VPC", "Properties": {
            "CidrBlock": {"Ref": "Range"}, "Tags": [{"Key": "kind", "Value": "own"}],
        }}},
    }))
    found = session.client("ec2").describe_vpcs(
        Filters=[{"Name": "tag:aws:cloudformation:stack-name", "Values": ["own"]}]
    )["Vpcs"]
    print([vpc["CidrBlock"] for vpc in found])
"""


def test_afterwards_motos_own_cloudformation_is_whole(orders: Path, tmp_path: Path) -> None:
    plain = run("-c", LIST, folder=tmp_path)
    program = DEPLOY + LIST + OF_THE_USERS_OWN
    *listed, own = run("-c", program, str(orders), folder=tmp_path).splitlines()
    assert listed == plain.splitlines()
    assert "AWS::AutoScaling::AutoScalingGroup" in listed
    assert own == "['10.7.0.0/16']"


def test_a_users_stack_is_made_in_moto_after_ours_without_the_list(
    orders: Path, tmp_path: Path
) -> None:
    out = run("-c", DEPLOY + OF_THE_USERS_OWN, str(orders), folder=tmp_path)
    assert out.splitlines() == ["['10.7.0.0/16']"]


def test_a_moto_that_lists_its_models_on_import_is_imported_as_it_is(tmp_path: Path) -> None:
    program = """\
import sys
from pytest_storagefirst.stack.cloudformation import moto_models
moto_models._lists_on_demand = lambda: False
print(moto_models.parsing().ec2_models is sys.modules["moto.ec2.models"])
"""
    assert run("-c", program, folder=tmp_path) == "True\n"


# --- what AWS's API models are read for -------------------------------------------------------


def session() -> Any:
    return boto3.Session("AKIA", "secret", region_name="us-east-1")


def loader(session: Any) -> Any:
    return session._session.get_component("data_loader")


def test_sessions_read_aws_s_models_once() -> None:
    first, second, other = session(), session(), session()
    share_models(first)
    share_models(second)
    assert loader(first) is loader(second) is second._loader
    assert loader(first) is not loader(other)
    assert second.resource("dynamodb").meta.service_name == "dynamodb"
    assert second.client("sqs").meta.region_name == "us-east-1"


def test_sessions_of_another_data_path_read_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = session()
    share_models(first)
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    second = session()
    share_models(second)
    assert loader(first) is not loader(second)
    assert str(tmp_path) in loader(second).search_paths


def test_a_changed_data_path_is_not_given_on(tmp_path: Path) -> None:
    first, second = session(), session()
    share_models(first)
    loader(first).search_paths.append(str(tmp_path))
    share_models(second)
    assert str(tmp_path) not in loader(second).search_paths


@pytest.mark.parametrize("packed", [True, False])
def test_models_are_read_as_botocore_reads_them(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = {"metadata": {"apiVersion": "2020-01-01"}, "operations": {"Z": {}, "A": {}}}
    file = tmp_path / "own" / "2020-01-01" / ("service-2.json.gz" if packed else "service-2.json")
    file.parent.mkdir(parents=True)
    text = json.dumps(model).encode()
    file.write_bytes(gzip.compress(text) if packed else text)
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    plain, shared = session(), session()
    share_models(shared)
    for service in ("own", "sqs"):
        read = loader(shared).load_service_model(service, "service-2")
        assert json.dumps(read) == json.dumps(
            loader(plain).load_service_model(service, "service-2")
        )
    assert "own" in shared._session.get_available_services()
    with pytest.raises(UnknownServiceError):
        shared.client("none")


def test_moto_reads_its_models_once(orders: Path, tmp_path: Path) -> None:
    ask = """
from moto.core import utils
assert utils.create_loader() is utils.create_loader()
print(utils.get_service_model("sqs").operation_model("SendMessage").output_shape.name)
"""
    out = run("-c", DEPLOY + ask, str(orders), folder=tmp_path)
    assert out == "SendMessageResult\n"
