"""The files that a load run leaves, and what it tells beside them."""

from __future__ import annotations

from pytest_storagefirst.load.reports import write_reports
from tests.unit.report import load_documents


def written(folder):
    told = []
    write_reports(load_documents.outage(), folder, told.append)
    return told


def test_the_jobs_page_is_told_the_verdict(tmp_path, monkeypatch):
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))

    told = written(tmp_path)

    assert page.read_text("utf-8").startswith("## ")
    assert told[0].split(":")[0] in page.read_text("utf-8")


def test_a_page_that_cannot_be_written_is_told_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))

    assert "GITHUB_STEP_SUMMARY" in written(tmp_path)[-1]


def test_without_a_jobs_page_none_is_made(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    assert written(tmp_path)[-1] == f"report: {tmp_path / 'report.html'}"
