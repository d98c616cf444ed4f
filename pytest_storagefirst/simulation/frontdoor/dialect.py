"""airspeed, made to speak API Gateway's Velocity.

airspeed differs from Velocity on Java in what templates rely on: it knows no hyphen in a name
(`$context.requestOverride.header.X-Amz-Target`), prints a missing value as its own source text,
prints objects as Python's, loops over a map's keys, and takes backslashes in strings for escapes,
so that AWS's own `.replaceAll("\\'","'")` does nothing. The differences are mended on a private
copy of the module, so that whoever else uses airspeed in this process has it as it is.
"""

from __future__ import annotations

import importlib.util
import operator
import re
from functools import lru_cache
from typing import Any

from . import java_values as java

IDENTIFIER = re.compile(r"([_a-zA-Z][a-zA-Z0-9_-]*)")
STRING_IN_SINGLE_QUOTES = re.compile(r"'((?:''|\\[\\']|[^'])*)'", re.S)
STRING_IN_DOUBLE_QUOTES = re.compile(r'"((?:""|\\[\\"]|[^"])*)"', re.S)


@lru_cache(maxsize=1)
def velocity() -> Any:
    """The mended copy of airspeed; `velocity().Template(text)` parses a template."""
    spec = importlib.util.find_spec("airspeed")
    assert spec is not None
    assert spec.loader is not None
    engine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(engine)
    _mend_references(engine)
    _mend_strings(engine)
    _mend_operators(engine)
    _mend_directives(engine)
    return engine


def _mend_references(engine: Any) -> None:
    def name_or_call(self: Any, owner: Any, loader: Any, namespace: Any) -> Any:
        if isinstance(owner, engine.LocalNamespace):
            value = _variable(owner, self.name)
            if isinstance(value, engine._FunctionDefinition):
                output = engine.StoppableStream()
                value.execute_function(output, namespace, [], loader)
                return output.getvalue()
        elif self.parameters is not None:
            return java.call_method(owner, self.name, self.parameters.calculate(namespace, loader))
        else:
            value = java.property_of(owner, self.name)
        if self.index is not None:
            return java.element_of(value, self.index.calculate(namespace, loader))
        return value

    def sub_expression(self: Any, owner: Any, loader: Any, namespace: Any) -> Any:
        if not isinstance(self.expression, engine.ArrayIndex):
            return self.expression.calculate(owner, loader, namespace)
        value = java.element_of(owner, self.expression.calculate(namespace, loader))
        if self.subexpression:
            return self.subexpression.calculate(value, loader, namespace)
        return value

    def print_reference(self: Any, stream: Any, namespace: Any, loader: Any) -> None:
        if self.expression is None:
            stream.write(self.my_text())
            return
        value = self.expression.calculate(namespace, loader)
        if value is None and self.alternate is not None:
            value = self.alternate.calculate(namespace, loader)
        stream.write(java.text_of(value))

    engine.NameOrCall.NAME = IDENTIFIER
    engine.NameOrCall.calculate = name_or_call
    engine.SubExpression.calculate = sub_expression
    engine.FormalReference.evaluate_raw = print_reference


def _variable(namespace: Any, name: str) -> Any:
    try:
        return namespace[name]
    except KeyError:
        return None


def _mend_strings(engine: Any) -> None:
    """A backslash is a character like others in Velocity 1.7; only a doubled quote is special.

    `\\"` is let through as a quote: where AWS takes it, it means that.
    """

    def parse_string(self: Any, quote: str) -> None:
        (value,) = self.identity_match(self.STRING)
        self.value = value.replace(quote * 2, quote).replace("\\" + quote, quote)

    def parse_plain(self: Any) -> None:
        parse_string(self, "'")

    def parse_interpolated(self: Any) -> None:
        parse_string(self, '"')
        self.block = engine.Block(self.filename, self.value, 0)

    engine.StringLiteral.STRING = STRING_IN_SINGLE_QUOTES
    engine.StringLiteral.parse = parse_plain
    engine.InterpolatedStringLiteral.STRING = STRING_IN_DOUBLE_QUOTES
    engine.InterpolatedStringLiteral.parse = parse_interpolated


def _mend_operators(engine: Any) -> None:
    def both(left: Any, right: Any) -> bool:
        return java.is_true(left) and java.is_true(right)

    def either(left: Any, right: Any) -> bool:
        return java.is_true(left) or java.is_true(right)

    def unequal(left: Any, right: Any) -> bool:
        return not java.equal(left, right)

    def negate(value: Any) -> bool:
        return not java.is_true(value)

    above, below = java.ordered(operator.gt), java.ordered(operator.lt)
    at_least, at_most = java.ordered(operator.ge), java.ordered(operator.le)
    engine.BinaryOperator.OPERATORS = {
        "==": java.equal,
        "eq": java.equal,
        "!=": unequal,
        "ne": unequal,
        "&&": both,
        "and": both,
        "||": either,
        "or": either,
        ">": above,
        "gt": above,
        ">=": at_least,
        "ge": at_least,
        "<": below,
        "lt": below,
        "<=": at_most,
        "le": at_most,
        "+": java.added,
        "-": java.computed(operator.sub),
        "*": java.computed(operator.mul),
        "/": java.computed(java.divided),
        "%": java.computed(java.remainder),
    }
    engine.UnaryOperatorValue.OPERATORS = {"!": negate, "not": negate}


def _mend_directives(engine: Any) -> None:
    def evaluate_if(self: Any, stream: Any, namespace: Any, loader: Any) -> None:
        for branch in (self.condition, *self.elseifs):
            if java.is_true(branch.calculate(namespace, loader)):
                chosen = self.block if branch is self.condition else branch
                chosen.evaluate(stream, namespace, loader)
                return
        self.else_block.evaluate(stream, namespace, loader)

    def parse_set(self: Any) -> None:
        self.identity_match(self.START)
        self.optional_match(re.compile(r"\s*"))
        self.place = self.require_next_element(engine.FormalReference, "place")
        self.require_match(self.EQUALS, "=")
        self.value = self.require_next_element(engine.Expression, "expression")
        self.require_match(self.END, "closing paren")

    def evaluate_set(self: Any, stream: Any, namespace: Any, loader: Any) -> None:
        value = self.value.calculate(namespace, loader)
        name, *keys = _accessors(engine, self.place.expression, namespace, loader)
        if not keys:
            namespace.set_inherited(name, value)
            return
        owner = _variable(namespace, name)
        for key in keys[:-1]:
            owner = java.element_of(owner, key)
        if isinstance(owner, dict):
            owner[java.text_of(keys[-1])] = value
        elif isinstance(owner, list):
            java.call_method(owner, "set", [keys[-1], value])

    def evaluate_foreach(self: Any, stream: Any, namespace: Any, loader: Any) -> None:
        items = self.value.calculate(namespace, loader)
        if isinstance(items, dict):
            items = list(items.values())
        if not isinstance(items, (list, range)):
            return
        outer = _variable(namespace, "foreach")
        for index, item in enumerate(items):
            local = engine.LocalNamespace(namespace)
            last = index == len(items) - 1
            local["velocityCount"] = index + 1
            local["velocityHasNext"] = not last
            local["foreach"] = {
                "count": index + 1,
                "index": index,
                "hasNext": not last,
                "first": index == 0,
                "last": last,
                "parent": outer,
            }
            local[self.loop_var_name] = item
            self.block.evaluate(stream, local, loader)

    engine.IfDirective.evaluate_raw = evaluate_if
    engine.SetDirective.parse = parse_set
    engine.SetDirective.evaluate_raw = evaluate_set
    engine.ForeachDirective.LOOP_VAR_NAME = re.compile(r"\$" + IDENTIFIER.pattern)
    engine.ForeachDirective.evaluate_raw = evaluate_foreach


def _accessors(engine: Any, expression: Any, namespace: Any, loader: Any) -> list[Any]:
    """The names and keys of the place that a `#set` writes to, outermost first."""
    found = [expression.part.name]
    if expression.part.index is not None:
        found.append(expression.part.index.calculate(namespace, loader))
    below = expression.subexpression
    while below is not None:
        if not isinstance(below.expression, engine.ArrayIndex):
            return found + _accessors(engine, below.expression, namespace, loader)
        found.append(below.expression.calculate(namespace, loader))
        below = below.subexpression
    return found
