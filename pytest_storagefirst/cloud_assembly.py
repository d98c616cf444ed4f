"""What `cdk synth` writes, and where its author's own files are."""

from __future__ import annotations

from pathlib import Path


def of_cloud_assembly(template: Path) -> bool:
    """Whether `cdk synth` wrote it: that marks its folder by a file named `cdk.out`."""
    return (template.absolute().parent / "cdk.out").is_file()


def project_folder(template: Path) -> Path:
    """Where a template's author works: its own folder, or the one above a cloud assembly, which is
    made anew by each `cdk synth` and kept by nobody."""
    folder = template.absolute().parent
    return folder.parent if of_cloud_assembly(template) else folder


def plain_name(template: Path) -> str:
    """ "Orders" of Orders.template.json; "template" of template.yaml."""
    return template.stem.removesuffix(".template")
