"""A template is read once by who collects it and who stands it up."""

from __future__ import annotations

import os

from pytest_storagefirst.settings import Settings
from pytest_storagefirst.stack import read_ahead
from pytest_storagefirst.stack.read_ahead import read_template
from pytest_storagefirst.stack.template import load_template


def test_a_template_that_was_read_ahead_is_taken_once_and_only_as_it_is_now(tmp_path, monkeypatch):
    read = []

    def load(path, *arguments, **named):
        read.append(path)
        return load_template(path, *arguments, **named)

    monkeypatch.setattr(read_ahead, "load_template", load)
    path = tmp_path / "template.yaml"
    path.write_text("Resources: {Queue: {Type: AWS::SQS::Queue}}\n")

    ahead = read_template(path, Settings(), ahead=True)
    taken = read_template(path, Settings())
    assert taken.body == ahead.body
    assert taken.body is not ahead.body
    assert len(read) == 1
    read_template(path, Settings())
    assert len(read) == 2

    read_template(path, Settings(), ahead=True)
    path.write_text("Resources: {Other: {Type: AWS::SQS::Queue}}\n")
    os.utime(path, ns=(1, 1))
    assert set(read_template(path, Settings()).body["Resources"]) == {"Other"}
