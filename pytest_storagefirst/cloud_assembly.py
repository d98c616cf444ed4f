"""What `cdk synth` writes, and where its author's own files are."""

from __future__ import annotations

from pathlib import Path

ASSEMBLY_SUFFIX = ".template.json"  # of each template in a cloud assembly


def is_cloud_assembly(folder: Path) -> bool:
    """Whether `cdk synth` wrote a folder: it marks it by a file named `cdk.out`."""
    return (folder / "cdk.out").is_file()


def of_cloud_assembly(template: Path) -> bool:
    """Whether `cdk synth` wrote a template."""
    return is_cloud_assembly(template.absolute().parent)


def project_folder(template: Path) -> Path:
    """Where a template's author works: its own folder, or the one above a cloud assembly, which is
    made anew by each `cdk synth` and kept by nobody."""
    folder = template.absolute().parent
    return folder.parent if of_cloud_assembly(template) else folder


def plain_name(template: Path) -> str:
    """ "Orders" of Orders.template.json; "template" of template.yaml."""
    return template.stem.removesuffix(".template")
