"""Which template is meant where none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.init.choosing import chosen_template

TEMPLATE = "Resources:\n  Orders: {Type: AWS::SQS::Queue}\n"


def put(folder: Path, *names: str, text: str = TEMPLATE) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "names",
    [
        ("template.yaml",),
        ("template.yml", "other.yaml", "cdk.out/Orders.template.json"),
        ("cdk.out/Orders.template.json", "stack.yaml"),
        ("orders.yaml",),
        ("orders.template",),
    ],
)
def test_the_first_that_is_there(tmp_path, names):
    put(tmp_path, *names)
    put(tmp_path, "notes.json", "docker-compose.yaml", text="{}")

    assert chosen_template(None, tmp_path) == tmp_path / names[0]


def test_what_sam_is_told(tmp_path):
    put(tmp_path, "infrastructure/orders.yaml", "other.yaml")
    put(
        tmp_path,
        "samconfig.toml",
        text='version = 0.1\n[default.build.parameters]\ntemplate = "infrastructure/orders.yaml"\n',
    )

    assert chosen_template(None, tmp_path) == tmp_path / "infrastructure/orders.yaml"


@pytest.mark.parametrize("text", ["[", "default = 1", "[default]\nbuild = []", "\ud800"])
def test_a_samconfig_that_says_nothing(tmp_path, text):
    (tmp_path / "samconfig.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    put(tmp_path, "orders.yaml")

    assert chosen_template(None, tmp_path) == tmp_path / "orders.yaml"


def test_several_are_listed(run, tmp_path):
    put(tmp_path, "cdk.out/A.template.json", "cdk.out/B.template.json")

    result = run("init")

    assert result.exit_code == 2
    assert "cdk.out/A.template.json, cdk.out/B.template.json" in result.output
    assert "storagefirst init cdk.out/A.template.json" in result.output


def test_none_is_an_error_that_says_what_was_looked_for(run):
    result = run("init")

    assert result.exit_code == 2
    assert "there is no template here" in result.output
    assert "template.yaml" in result.output


def test_one_that_is_named_and_not_there(tmp_path):
    with pytest.raises(TemplateError, match="no such template"):
        chosen_template(Path("orders.yaml"), tmp_path)


def test_a_folder_that_is_named(tmp_path):
    put(tmp_path, "orders/template.yaml")

    assert chosen_template(tmp_path / "orders", tmp_path) == tmp_path / "orders/template.yaml"
