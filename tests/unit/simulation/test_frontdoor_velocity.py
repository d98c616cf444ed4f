"""Mapping templates. Where a test says "seen on AWS", API Gateway itself gave that text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_storagefirst.errors import TemplateError
from pytest_storagefirst.simulation.frontdoor.java_values import OverrideError
from pytest_storagefirst.simulation.frontdoor.messages import GatewayContext, HttpRequest
from pytest_storagefirst.simulation.frontdoor.velocity import Variables, render, variables_of
from pytest_storagefirst.stack.topology import Integration, Route

ROUTE = Route(
    "Api",
    "api1",
    "REST",
    "POST",
    "/orders/{id}",
    "prod",
    Integration("AWS"),
    stage_variables={"queue": "orders", "with-dash": "d"},
)
CONTEXT = GatewayContext(
    "123456789012", "eu-west-1", "request-1", 1_700_000_000_123, authorizer={"principalId": "ann"}
)


def variables(body: str = "") -> Variables:
    headers = {"User-Agent": "curl", "X-Trace": "t"}
    request = HttpRequest("POST", "/orders/7", headers, {"q": "1", "id": "query"}, body)
    return variables_of(ROUTE, request, {"id": "7"}, CONTEXT)


def rendered(template: str, body: Any = "") -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    return render(template, text, variables(text))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"json": {"foo": "bar"}}, "{foo=bar}"),
        ({"json": [{"foo": "bar"}]}, '[{"foo":"bar"}]'),
        ({"json": {"foo": [{"nested": "bar"}]}}, '{foo=[{"nested":"bar"}]}'),
        ({"json": {"bigger": "dict", "to": "test"}}, "{bigger=dict, to=test}"),
        ({"json": {"a": None, "b": True, "c": {"d": 1.5}}}, "{a=null, b=true, c={d=1.5}}"),
        ({"json": True}, "true"),
        ({"json": 12}, "12"),
        ({"json": None}, ""),
        ({}, ""),
    ],
)
def test_values_print_as_api_gateway_prints_them(body: Any, expected: str) -> None:
    assert rendered('#set($found = $input.path("$.json"))$found', body) == expected
    assert rendered('#set($found = $input.path("$.json"))$found.toString()', body) == expected


def test_a_missing_value_prints_nothing_and_equals_null_and_the_empty_string() -> None:
    template = (
        '#set($found = $input.path("$.none")){"body": $found, "nested": $found.nested, '
        '"isNull": #if($found == $null)"true"#else"false"#end, '
        '"isEmpty": #if($found == "")"true"#else"false"#end}'
    )
    seen_on_aws = '{"body": , "nested": , "isNull": "true", "isEmpty": "true"}'
    assert rendered(template) == seen_on_aws
    assert rendered(template, {"none": []}) == (
        '{"body": [], "nested": , "isNull": "false", "isEmpty": "false"}'
    )


@pytest.mark.parametrize("reference", ["$none", "${none}", "$!none", "$!{none.of.it}", "$none[3]"])
def test_an_undefined_reference_prints_nothing(reference: str) -> None:
    assert rendered(f"<{reference}>") == "<>"


def test_an_alternative_stands_in_for_a_missing_value() -> None:
    assert rendered("${none|'other'}") == "other"


def test_an_empty_body_reads_as_an_empty_object() -> None:
    seen_on_aws = "EncodedBody=%7B%7D&EncodedBodyAccess="
    template = (
        "EncodedBody=$util.urlEncode($input.body)&EncodedBodyAccess=$util.urlEncode($input.body.x)"
    )
    assert rendered(template) == seen_on_aws
    assert rendered("$input.json('$')") == "{}"


def test_a_body_that_is_no_json_is_a_string_to_json_path() -> None:
    assert rendered("$input.body", "a=1&b=2") == "a=1&b=2"
    assert rendered("$input.path('$').split('&')[1]", "a=1&b=2") == "b=2"
    assert rendered("$input.json('$')", "plain") == '"plain"'


def test_json_of_a_path_is_compact_json_and_keeps_its_letters() -> None:
    body = {"pets": [{"n": 1, "é": "ü"}]}
    assert rendered("$input.json('$.pets')", body) == '[{"n":1,"é":"ü"}]'
    assert rendered("$input.json('$.none')", body) == '""'


def test_parameters_are_sought_in_path_then_query_then_header() -> None:
    assert rendered("$input.params('id') $input.params('q') $input.params('x-trace')") == "7 1 t"
    assert rendered("[$input.params('none')]") == "[]"
    assert rendered("$input.params().path.id $input.params().header.get('X-Trace')") == "7 t"


def test_all_parameters_can_be_listed() -> None:
    template = """#set($allParams = $input.params())
{#foreach($type in $allParams.keySet())
#set($params = $allParams.get($type))
"$type" : {#foreach($name in $params.keySet())
"$name" : "$util.escapeJavaScript($params.get($name))"#if($foreach.hasNext),#end
#end}#if($foreach.hasNext),#end
#end}"""
    assert json.loads(rendered(template)) == {
        "path": {"id": "7"},
        "querystring": {"q": "1", "id": "query"},
        "header": {"User-Agent": "curl", "X-Trace": "t"},
    }


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$context.requestId", "request-1"),
        ("$context.accountId", "123456789012"),
        ("$context.apiId", "api1"),
        ("$context.stage", "prod"),
        ("$context.httpMethod", "POST"),
        ("$context.resourcePath", "/orders/{id}"),
        ("$context.path", "/prod/orders/7"),
        ("$context.identity.userAgent", "curl"),
        ("$context.identity.sourceIp", "192.0.2.1"),
        ("$context.identity.caller", ""),
        ("$context.requestTime", "14/Nov/2023:22:13:20 +0000"),
        ("$context.requestTimeEpoch", "1700000000123"),
        ("$context.authorizer.principalId", "ann"),
        ("$stageVariables.queue", "orders"),
        ("$stageVariables['queue']", "orders"),
        ("${stageVariables['with-dash']}", "d"),
        ("${stageVariables.with-dash}", "d"),
    ],
)
def test_context_and_stage_variables(expression: str, expected: str) -> None:
    assert rendered(expression) == expected


def test_java_script_is_escaped_as_the_page_says_and_its_quotes_can_be_turned_back() -> None:
    body = {"d": 'it\'s "é"\n\\ a/b \U0001f600'}
    escaped = rendered("$util.escapeJavaScript($input.path('$.d'))", body)
    assert escaped == 'it\\\'s \\"\\u00E9\\"\\n\\\\ a\\/b \\uD83D\\uDE00'
    template = """"$util.escapeJavaScript($input.path('$.d')).replaceAll("\\\\'","'")\""""
    assert json.loads(rendered(template, body)) == body["d"]
    assert rendered("[$util.escapeJavaScript($none)]") == "[]"


def test_the_other_functions_of_util() -> None:
    assert rendered("$util.urlEncode('a b&c+d%*~é')") == "a+b%26c%2Bd%25*%7E%C3%A9"
    assert rendered("$util.urlDecode('a+b%26c')") == "a b&c"
    assert rendered("$util.base64Encode('é')$util.base64Decode('w6k=')") == "w6k=é"
    assert rendered("[$util.base64Decode('w6')]") == "[]"
    assert rendered("[$util.parseJson('no json')]") == "[]"
    body = {"errorMessage": json.dumps({"key1": "v", "key2": {"arr": [1, 2, 3]}})}
    template = "#set($e = $util.parseJson($input.path('$.errorMessage')))$e.key2.arr[0]"
    assert rendered(template, body) == "1"


def test_a_name_may_have_a_hyphen() -> None:
    held = variables()
    template = '#set($context.requestOverride.header.X-Amz-Target = "AWSEvents.PutEvents")\n{}'
    assert render(template, "", held) == "{}"
    assert held.context["requestOverride"]["header"] == {"X-Amz-Target": "AWSEvents.PutEvents"}
    template = '#foreach($elem in $input.path("$.records"))$elem.partition-key;#end'
    assert (
        rendered(template, {"records": [{"partition-key": "a"}, {"partition-key": "b"}]}) == "a;b;"
    )


def test_overrides_can_be_set_by_index_and_by_put() -> None:
    held = variables()
    template = (
        '#set($name = "foo")#set($context.requestOverride.querystring[$name] = "bar")'
        '$context.requestOverride.querystring.put("putfoo", "putBar")'
        '#set($context["requestOverride"].querystring["nestedfoo"] = "nestedFoo")'
    )
    assert render(template, "", held) == ""
    expected = {"foo": "bar", "putfoo": "putBar", "nestedfoo": "nestedFoo"}
    assert held.context["requestOverride"]["querystring"] == expected


@pytest.mark.parametrize(
    "second",
    [
        '#set($context.requestOverride.header.a = "2")',
        '$context.requestOverride.header.put("a", "2")',
    ],
)
def test_an_override_holds_once(second: str) -> None:
    with pytest.raises(OverrideError):
        rendered(f'#set($context.requestOverride.header.a = "1"){second}')


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('$input.path("$.yes")', True),
        ('$input.path("$.no")', False),
        ('!$input.path("$.no")', True),
        ('$input.path("$.none")', False),
        ('""', True),
        ("$input.params('none')", True),
        ('$input.params("none") != ""', False),
        ('$input.path("$.zero")', True),
        ('$input.path("$.zero") == 0', True),
        ('$input.path("$.zero") == "0"', True),
        ('$input.path("$.text") == "x"', True),
        ('$input.path("$.text") == 1', False),
        ('$input.path("$.text") > 1', False),
        ('$input.path("$.list").size() >= 2 && $input.path("$.yes")', True),
        ('$input.path("$.none").size() > 0 || $input.path("$.no")', False),
        ("$none == false", False),
        ("$none == $alsoNone", True),
        ("not ($none)", True),
    ],
)
def test_conditions(condition: str, expected: bool) -> None:
    body = {"yes": True, "no": False, "zero": 0, "text": "x", "list": [1, 2]}
    assert rendered(f"#if({condition})yes#{{else}}no#end", body) == ("yes" if expected else "no")


def test_else_if() -> None:
    template = '#if($input.path("$.a"))a#elseif($input.path("$.b"))b#else c#end'
    assert rendered(template, {"a": 1}) == "a"
    assert rendered(template, {"b": 1}) == "b"
    assert rendered(template, {}).strip() == "c"


def test_a_loop_knows_where_it_is_and_runs_over_values() -> None:
    template = (
        "#foreach($x in $input.path('$'))$foreach.index/$foreach.count=$x"
        "#if($foreach.hasNext),#end#end"
    )
    assert rendered(template, {"a": "v", "b": "w"}) == "0/1=v,1/2=w"
    assert rendered(template, ["v"]) == "0/1=v"
    assert rendered("#foreach($x in $none)$x#end|#foreach($x in 5)$x#end") == "|"
    assert rendered("#foreach($x in [1..3])$velocityCount$x #end") == "11 22 33 "
    nested = "#foreach($x in [1,2])#foreach($y in [1])$foreach.parent.count#end#end"
    assert rendered(nested) == "12"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("7.0 / 2", "3.5"),
        ("7 % 4", "3"),
        ("2 * 3 - 1", "5"),
        ('"a" + 1', "a1"),
        ("1 / 0", ""),
        ('"a" * 2', ""),
        ("$none + 1", ""),
        ("{'a': 1, 'b': [2, 3]}", "{a=1, b=[2,3]}"),
        ('"a $context.stage \'b\' \\"c\\" ""d"""', 'a prod \'b\' "c" "d"'),
        ("'$context.stage'", "$context.stage"),
        ("'it''s'", "it's"),
    ],
)
def test_expressions(expression: str, expected: str) -> None:
    assert rendered(f"#set($x = {expression})$x") == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("$s.length()", "5"),
        ("$s.toUpperCase()$s.toLowerCase()", "AB,CDab,cd"),
        ("$s.substring(1)$s.substring(1, 2)", "b,Cdb"),
        ("$s.indexOf('C') $s.lastIndexOf('z') $s.charAt(0)", "3 -1 a"),
        ("$s.replace('.', '-')$s.replaceFirst('b', '$0$0')", "ab,Cdabb,Cd"),
        ("$s.replaceAll('([a-z])', '<$1>')", "<a><b>,C<d>"),
        ("$s.matches('ab') $s.matches('ab.*')", "false true"),
        ("$s.split(',').size()", "2"),
        ("$s.split('d')[0]$s.split(',', 2).get(1)", "ab,CCd"),
        (
            "$s.contains('b') $s.startsWith('b') $s.endsWith('d') $s.isEmpty()",
            "true false true false",
        ),
        ("$s.equals('ab,Cd') $s.equalsIgnoreCase('AB,CD')", "true true"),
        ("$s.concat('x').trim()", "ab,Cdx"),
        ("$s.none() $s.length.x", " "),
        ("$s.substring('x')", ""),
        ("$list.size() $list.get(1) $list[0] $list[9] $list.isEmpty()", "2 b a  false"),
        (
            "$map.m['x'] ${list[0].none}$list[0].length() #set($n = {'a': {'b': [1]}})$n['a'].b[0]",
            " 1 1",
        ),
        ("$list.add('c')$list", 'true["a","b","c"]'),
        ("$list.add(0, 'c')$list.remove(2)$list", 'b["c","a"]'),
        ("$list.addAll($list)$list.size()", "true4"),
        ("$list.set(0, 'z')$list.contains('z')$list.indexOf('q')", "atrue-1"),
        ("#set($list[1] = 'y')$list", '["a","y"]'),
        ("$map.size()$map.isEmpty()$map.containsKey('k')$map.containsValue('v')", "1falsetruetrue"),
        ("$map.get('k')$map['k']$map.k$map.getOrDefault('x', 'd')", "vvvd"),
        ("$map.put('n', 1)$map.putAll({'m': 2})$map", "{k=v, n=1, m=2}"),
        ("$map.remove('k')$map.values()$map.keySet()", "v[][]"),
        ("#foreach($e in $map.entrySet())$e.key=$e.value $e.getKey()=$e.getValue()#end", "k=v k=v"),
        ("$number.toString() $number.intValue() $number.compareTo(1)", "7 7 1"),
    ],
)
def test_methods_of_java(call: str, expected: str) -> None:
    setting = "#set($s = 'ab,Cd')#set($list = ['a', 'b'])#set($map = {'k': 'v'})#set($number = 7)"
    assert rendered(setting + call) == expected


def test_text_is_kept_as_it_stands_but_for_directives_and_comments() -> None:
    assert rendered("Action=SendMessage##\n&MessageBody=$input.body##\n", "x") == (
        "Action=SendMessage&MessageBody=x"
    )
    assert rendered("a\n  b #* gone *#\n\\$x \\\\ $ 5$ #1\n") == "a\n  b $x \\\\ $ 5$ #1\n"


def test_macros_and_blocks_can_be_defined() -> None:
    template = (
        "#define($loop)#foreach($k in $m.keySet())$k=$m.get($k)#end#end#set($m={'a':'b'})[$loop]"
    )
    assert rendered(template) == "[a=b]"
    assert rendered('#macro(hi $a)<$a>#end#hi("x")') == "<x>"


def test_one_request_never_sees_the_variables_of_another() -> None:
    template = "[$seen]#set($seen = 1)#set($input.path('$.l')[0] = 9)$input.json('$.l')"
    assert rendered(template, {"l": [1]}) == rendered(template, {"l": [1]}) == "[][1]"


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("#if($x", "line 1, column 7"),
        ("#set($x = )", "expected expression"),
        ("$input.path('$.[')", "'$.['"),
        ("#hi('x')", "no such macro: hi"),
    ],
)
def test_a_template_that_cannot_be_run_is_the_users_to_mend(template: str, found: str) -> None:
    with pytest.raises(TemplateError) as raised:
        rendered(template)
    assert found in raised.value.found


def test_airspeed_stays_as_it_is_for_others() -> None:
    airspeed = pytest.importorskip("airspeed")
    rendered("$x")
    assert airspeed.Template("$x").merge({}) == "$x"
