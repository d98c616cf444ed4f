"""A template file, read and resolved so far that an engine can stand it up.

Parameters, mappings, conditions, includes and pseudo parameters are evaluated here, SAM is
translated; what is left in `Template.body` are resources in dependency order with `Ref`,
`Fn::GetAtt` and the few functions built from them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import TemplateError
from .code import FunctionCode, take_code
from .document import Document, read_document
from .expressions import NO_VALUE
from .include import inline_definition, inline_includes
from .intrinsics import Resolver
from .misspelt import check_types
from .parameters import parameter_values
from .references import check_references, in_dependency_order
from .resource_types import plays_a_part
from .rules import check_rules
from .sam import translate, uses_sam

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
DEFAULT_STACK_NAME = "storagefirst"
_STACK_ID = (
    "arn:aws:cloudformation:{region}:{account}:stack/{name}/5f0a1b2c-0000-4000-8000-000000000000"
)
_PARAMETER_SECTIONS = ("Parameters", "Rules")


@dataclass(frozen=True)
class Template:
    """What `load_template` made of a file.

    `inert` names the resources that stand in the stack and play no part, `notes` what had to be
    invented, `external` the values that stand for what another stack holds, `given` those of the
    parameters, `lines` where each resource is written.
    """

    path: Path
    body: Mapping[str, Any]
    code: Mapping[str, FunctionCode] = field(default_factory=dict)
    inert: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    stack_name: str = DEFAULT_STACK_NAME

    def where(self, logical_id: str) -> str:
        return Document(self.path, None, dict(self.lines)).where(logical_id)


def load_template(
    path: Path,
    parameters: Mapping[str, Any] | None = None,
    imports: Mapping[str, str] | None = None,
    *,
    sources: Mapping[str, str] | None = None,
    account: str = DEFAULT_ACCOUNT,
    region: str = DEFAULT_REGION,
    stack_name: str = DEFAULT_STACK_NAME,
) -> Template:
    """Read a SAM or CloudFormation template, YAML or JSON.

    `parameters` override defaults; `imports` are values for `Fn::ImportValue` and dynamic
    references by name. `sources` says where such a value was written ("parameters.Stage" ->
    "storagefirst.toml:3"). Raises `TemplateError` for anything that CloudFormation would refuse.
    """
    document = read_document(Path(path))
    try:
        return _load(
            document, parameters or {}, imports or {}, sources or {}, account, region, stack_name
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise TemplateError(
            "the template has a shape that CloudFormation doesn't know",
            where=str(document.path),
            found=f"{type(error).__name__}: {error}",
            remedy="check it with `aws cloudformation validate-template` or cfn-lint",
        ) from error


def _load(
    document: Document,
    parameters: Mapping[str, Any],
    imports: Mapping[str, str],
    sources: Mapping[str, str],
    account: str,
    region: str,
    stack_name: str,
) -> Template:
    path = document.path
    body = _checked_shape(document)
    notes: list[str] = []
    # Rules check parameters and no more; the CDK's is the only reader of its BootstrapVersion.
    readers = str({name: part for name, part in body.items() if name not in _PARAMETER_SECTIONS})
    declared = body.get("Parameters")
    resolver = Resolver(
        parameters=parameter_values(
            document, declared, parameters, notes, region, account, readers, sources
        ),
        mappings={},
        conditions={},
        pseudo_parameters={
            "AWS::AccountId": account,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": region,
            "AWS::StackId": _STACK_ID.format(region=region, account=account, name=stack_name),
            "AWS::StackName": stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        },
        imports=imports,
        where=str(path),
        notes=notes,
    )
    body = _section(inline_includes(body, path.parent, resolver), document, "the template")
    resolver.mappings = _section(body.get("Mappings") or {}, document, "Mappings")
    resolver.conditions = _section(body.get("Conditions") or {}, document, "Conditions")
    resources, absent = _resolved_resources(body, resolver, document)
    check_types(resources, document)
    outputs = _resolved_outputs(body, resolver, document)
    shared = resolver.resolve(_section(body.get("Globals") or {}, document, "Globals"))
    for logical_id, resource in resources.items():
        resolver.where = document.where(logical_id)
        inline_definition(logical_id, resource, path.parent, resolver)
    code = take_code(resources, shared, path.parent, notes)
    if uses_sam(body):
        sam_body = {"Transform": body["Transform"], "Resources": resources}
        sam_body |= {"Globals": shared, "Outputs": outputs}
        translated = translate(sam_body, document, region)
        resolver.conditions = translated.get("Conditions") or {}
        resources, _ = _resolved_resources(translated, resolver, document)
        outputs = _resolved_outputs(translated, resolver, document)
    _refuse_untranslated(resources, document)
    resolver.final = True
    for logical_id, resource in resources.items():
        resolver.where = document.where(logical_id)
        resource["Properties"] = resolver.resolve(resource["Properties"])
    final_body: dict[str, Any] = {"Resources": resources, "Outputs": resolver.resolve(outputs)}
    check_references(final_body, absent, document)
    final_body["Resources"] = in_dependency_order(resources, absent, document)
    check_rules(final_body["Resources"], resolver.invented, document)
    return Template(
        path=path,
        body=final_body,
        code=code,
        inert=tuple(
            f"{logical_id} ({resource['Type']})"
            for logical_id, resource in resources.items()
            if not plays_a_part(resource["Type"])
        ),
        notes=tuple(notes),
        external=tuple(sorted(resolver.invented)),
        given=tuple(sorted(set(map(str, _flat(resolver.parameters.values()))))),
        lines=document.lines,
        account=account,
        region=region,
        stack_name=stack_name,
    )


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield from value if isinstance(value, list) else [value]


def _section(value: Any, document: Document, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TemplateError(
            f"{name} is no mapping", where=document.where(name), found=type(value).__name__
        )
    return value


def _checked_shape(document: Document) -> dict[str, Any]:
    body, where = document.value, str(document.path)
    if body is None:
        raise TemplateError("the template is empty", where=where)
    if not isinstance(body, dict):
        raise TemplateError(
            "the template is no mapping",
            where=where,
            found=f"a {'list' if isinstance(body, list) else 'single value'}",
            expected="Resources and the other sections of a CloudFormation template",
        )
    resources = body.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise TemplateError(
            "the template has no Resources",
            where=where,
            found=", ".join(map(str, body)) or "nothing",
            expected="a section Resources with at least one resource",
        )
    return copy.deepcopy(body)


def _resolved_resources(
    body: Mapping[str, Any], resolver: Resolver, document: Document
) -> tuple[dict[str, Any], set[str]]:
    """The resources whose condition holds, resolved, and the names of those left out."""
    resources: dict[str, Any] = {}
    absent: set[str] = set()
    loops = {key: value for key, value in body["Resources"].items() if key.startswith("Fn::")}
    plain = {key: value for key, value in body["Resources"].items() if key not in loops}
    for logical_id, resource in {**plain, **(resolver.resolve(loops) if loops else {})}.items():
        resolver.where = document.where(logical_id)
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise TemplateError(
                "a resource has no Type", where=resolver.where, expected='Type: "AWS::…"'
            )
        if "Condition" in resource and not resolver.condition(resource["Condition"]):
            absent.add(logical_id)
            continue
        properties = resolver.resolve(resource.get("Properties") or {})
        if properties is NO_VALUE:
            properties = {}
        if not isinstance(properties, dict):
            raise TemplateError("Properties is no mapping", where=resolver.where)
        resources[logical_id] = {
            key: value
            for key, value in resource.items()
            if key in ("Type", "DependsOn", "Metadata", "Connectors")
        } | {"Properties": properties}
    return resources, absent


def _resolved_outputs(
    body: Mapping[str, Any], resolver: Resolver, document: Document
) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for name, output in _section(body.get("Outputs") or {}, document, "Outputs").items():
        resolver.where = document.where(name)
        if not isinstance(output, dict):
            raise TemplateError("an output is no mapping", where=resolver.where)
        if "Condition" not in output or resolver.condition(output["Condition"]):
            outputs[name] = {"Value": resolver.resolve(output.get("Value", ""))}
    return outputs


def _refuse_untranslated(resources: Mapping[str, Any], document: Document) -> None:
    for logical_id, resource in resources.items():
        if resource["Type"].startswith("AWS::Serverless::"):
            raise TemplateError(
                "a SAM resource stands in a template without SAM's transform",
                where=document.where(logical_id),
                found=resource["Type"],
                remedy="write Transform: AWS::Serverless-2016-10-31",
            )
