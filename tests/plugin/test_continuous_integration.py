"""The workflow and the hook that others copy: what they run is run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import yaml
from jsonschema.validators import validator_for

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / "examples/github-actions/storagefirst.yml").read_text())
SHARDS = WORKFLOW["jobs"]["judge"]["strategy"]["matrix"]["shard"]


def step(job: str, name: str) -> str:
    (found,) = (one["run"] for one in WORKFLOW["jobs"][job]["steps"] if one.get("name") == name)
    return str(found)


def run_in(folder: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A step as its machine runs it: https://docs.github.com/actions/reference/workflow-syntax"""
    values = {"matrix.shard": "", **variables}
    text = re.sub(r"\$\{\{ *([\w.]+) *\}\}", lambda found: values[found[1]], script)
    environment = {
        **os.environ,
        **{name: str(value) for name, value in WORKFLOW["env"].items()},
        "CI": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_ADDOPTS": "--storagefirst-budget=0 -p no:cacheprovider",
    }
    environment.pop("HYPOTHESIS_STORAGE_DIRECTORY", None)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_shards_are_judged_and_merged(tmp_path):
    shutil.copytree(ROOT / "examples/orders_broken", tmp_path, dirs_exist_ok=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    shards = [
        run_in(tmp_path, step("judge", "Judge"), **{"matrix.shard": str(one)}) for one in SHARDS
    ]
    merged = run_in(tmp_path, step("verdict", "Merge"))

    assert {shard.returncode for shard in shards} <= {0, 1}
    assert merged.returncode == 1, merged.stdout + merged.stderr
    assert "no-message-loss" in merged.stdout
    assert (tmp_path / "report/report.json").is_file()
    # What failed is kept for the next run, in the folder that the workflow caches.
    assert (tmp_path / ".hypothesis/examples").is_dir()


def test_as_many_shards_as_the_matrix_has():
    assert len(SHARDS) == max(SHARDS) == WORKFLOW["env"]["SHARDS"]


def test_the_hook_runs_a_command_of_ours_on_templates():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, command = hook["entry"].split()

    assert (program, command) == ("storagefirst", "audit")
    chosen = [
        "template.yaml",
        "orders/template.json",
        "cdk.out/Orders.template.json",
        "orders.template",
    ]
    assert all(re.search(hook["files"], name) for name in chosen)
    assert not any(
        re.search(hook["files"], name) for name in ("docker-compose.yaml", "template.md", "a.json")
    )


def test_the_workflow_is_what_its_schema_takes():
    """That of SchemaStore, as check-jsonschema has it."""
    schemas = resources.files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads(schemas.joinpath("github-workflows.json").read_text(encoding="utf-8"))
    # YAML 1.1 reads the key `on` as true; GitHub's reader does not.
    workflow = {"on" if name is True else name: value for name, value in WORKFLOW.items()}
    validator = validator_for(schema)(schema)

    assert [one.message for one in validator.iter_errors(workflow)] == []
    broken = {**workflow, "jobs": {"judge": {"steps": []}}}
    assert list(validator.iter_errors(broken))
