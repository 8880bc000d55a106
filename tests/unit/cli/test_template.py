"""Go templates; what each case expects was printed by `docker inspect --format`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cli.template import Template, TemplateError
from minicontainer.cli.template.evaluate import Omitting
from minicontainer.cli.template.printing import quote, sprintf
from minicontainer.errors import UsageError

DATA: dict[str, Any] = {
    "Name": "/web",
    "Path": "sleep",
    "Args": ["60"],
    "State": {"Running": False, "Pid": 24940, "Error": None},
    "Config": {"Cmd": ["sleep", "60"], "Labels": {"b": "2", "a": "1"}, "Image": "bb", "Tty": False},
    "Empty": [],
    "Ratio": 1.5,
    "Label": lambda name: {"a": "1"}.get(name, ""),
    "Now": lambda: "now",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # fields and values
        ("plain", "plain"),
        ("", ""),
        ("{{.Name}} {{.State.Pid}} {{.State.Running}} {{.Ratio}}", "/web 24940 false 1.5"),
        ("{{.Config.Cmd}} {{.Config.Labels}} {{.Empty}}", "[sleep 60] map[a:1 b:2] []"),
        ("{{.State.Error}}", "<no value>"),
        ("{{(.Config).Image}} {{(index .Config.Cmd 0)}}", "bb sleep"),
        ("{{json .Config.Cmd}} {{json .Config.Labels}}", '["sleep","60"] {"b":"2","a":"1"}'),
        ('{{.Label "a"}}{{.Label "zz"}}|{{"a" | .Label}} {{.Now}}', "1|1 now"),
        # literals
        ("{{1.5}} {{1e3}} {{0x10}} {{0b11}} {{0o17}} {{017}} {{1_000}}", "1.5 1000 16 3 15 15 1000"),
        ("{{'a'}} {{'\\n'}} {{-3}} {{1e30}} {{0.00001}}", "97 10 -3 1e+30 1e-05"),
        ('{{"a\\tb\\u00e9\\x41\\\\\\""}}|{{`raw\\n`}}', 'a\tbéA\\"|raw\\n'),
        ("{{true}} {{false}}", "true false"),
        ('{{"}}"}} {{.Name}}}}', "}} /web}}"),
        # white space and comments
        ("a  {{- .Name -}}  b", "a/webb"),
        ("a {{- /* c */ -}} b {{/* d */}} e", "ab  e"),
        ("{{/* a\nb */}}x", "x"),
        ("{{- 3}} {{3 -}}   x", "3 3x"),
        ("{{ .Name\n}}", "/web"),
        # branches
        ('{{if eq .Name "/web" "x"}}yes{{else if true}}no{{else}}nn{{end}}', "yes"),
        ("{{if false}}yes{{else if true}}no{{else}}nn{{end}}", "no"),
        ("{{if false}}yes{{else if 0}}no{{else if nil}}x{{else}}nn{{end}}.", "nn."),
        ("{{if .Empty}}a{{else}}b{{end}}{{if .Args}}c{{end}}{{if 0.0}}e{{end}}", "bc"),
        ("{{with .Config}}{{.Image}}{{$.Name}}{{end}}", "bb/web"),
        ("{{with .Empty}}a{{else}}{{.Name}}{{end}}", "/web"),
        ("{{with 0}}a{{else with 1}}{{.}}{{end}}", "1"),
        ("{{with $x := .Name}}{{$x}}{{.}}{{end}}", "/web/web"),
        # loops
        ("{{range $i, $e := .Config.Cmd}}{{$i}}={{$e}};{{else}}none{{end}}", "0=sleep;1=60;"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"),
        ("{{range $v := .Config.Cmd}}{{$v}},{{end}}", "sleep,60,"),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range .State.Error}}x{{else}}none{{end}}", "none"),
        ('{{range .Config.Cmd}}{{if eq . "60"}}{{break}}{{end}}{{.}}{{end}}', "sleep"),
        ('{{range .Config.Cmd}}{{if eq . "sleep"}}{{continue}}{{end}}{{.}}{{end}}', "60"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{$x := 1}}{{range .Args}}{{$x = 5}}{{end}}{{$x}}", "5"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        # functions
        ('{{printf "%q %s|%-10s|%10s|%.2s" .Name .Path .Path .Path .Path}}',
         '"/web" sleep|sleep     |     sleep|sl'),
        ('{{printf "%d %s" "a"}} {{printf "x" 1 "b"}}',
         "%!d(string=a) %!s(MISSING) x%!(EXTRA int=1, string=b)"),
        ('{{print 1 2 "a" 3 4}} {{println "a" 1}}', "1 2a3 4 a 1\n"),
        ('{{upper .Name}} {{lower "ABC"}} {{title "foo bar"}}', "/WEB abc Foo Bar"),
        ('{{join (split "a,b,c" ",") "-"}} {{pad "x" 1 2}}| {{truncate "abcdef" 3}}', "a-b-c  x  | abc"),
        ('{{pad "" 1 2}}|{{split "ab" ""}}', "|[a b]"),
        ('{{len .Name}} {{len .Args}} {{len "é"}} {{slice .Name 1 3}} {{slice .Args 0 1}}', "4 1 2 we [60]"),
        ('{{index .Args 0}} {{index .Config "Cmd" 1}} {{index .Config.Labels "zz"}} {{index "é" 0}}',
         "60 60 <no value> 195"),
        ('{{and true 0 (index .Args 99)}} {{or "" 0 "x"}} {{not 0}}', "0 x true"),
        ('{{and 1 2}} {{or 0 ""}}|', "2 |"),
        ("{{1 | and true}} {{0 | or 0}}", "1 0"),
        ('{{(index .Args 0) | upper | printf "%s-%s" "x"}}', "x-60"),
        ('{{ne 1 2}} {{lt 1 2}} {{le "a" "b"}} {{gt 1 2}} {{ge 2 2}}', "true true true false true"),
        ("{{eq true true}} {{eq .State.Error nil}}", "true true"),
        ('{{if and (eq .Path "sleep") (ne .Name "x")}}ok{{end}}', "ok"),
        ("{{$.Name}}{{$x := .Config}}{{$x.Image}}", "/webbb"),
        ("{{len (print)}}", "0"),
    ],
)  # fmt: skip
def test_templates(text: str, expected: str) -> None:
    assert Template(text).render(DATA) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Name", ":1: unclosed action"),
        ('{{"abc}}', ":1: unterminated quoted string"),
        ("{{`abc}}", ":1: unterminated raw quoted string"),
        ("{{'a}}", ":1: unterminated character constant"),
        ("\n{{/* a", ":2: unclosed comment"),
        ("{{/* a */ x}}", ":1: comment ends before closing delimiter"),
        ("{{range .Args}}", ":1: unexpected EOF"),
        ("{{if true}}a{{else}}", ":1: unexpected EOF"),
        ("{{end}}", ":1: unexpected {{end}}"),
        ("{{else}}", ":1: unexpected {{else}}"),
        ("{{if true}}{{else}}{{else}}{{end}}", ":1: expected end; found {{else}}"),
        ("{{if}}", ":1: missing value for if"),
        ("{{}}", ":1: missing value for command"),
        ("{{.Name | }}", ":1: missing value for command"),
        ("{{nope 1}}", ':1: function "nope" not defined'),
        ("{{$x}}", ':1: undefined variable "$x"'),
        ("{{$x = 3}}", ':1: undefined variable "$x"'),
        ("{{if $y := 1}}{{end}}{{$y}}", ':1: undefined variable "$y"'),
        ("{{with 1}}{{$z := 1}}{{else}}{{$z}}{{end}}", ':1: undefined variable "$z"'),
        ("{{range $i, $j, $k := .Args}}{{end}}", ":1: too many declarations in range"),
        ("{{1 | 2}}", ":1: non executable command in pipeline stage 2"),
        ("{{)}}", ":1: unexpected right paren"),
        ("{{(1}}", ":1: unclosed left paren"),
        ("{{break}}", ":1: {{break}} outside {{range}}"),
        ('{{template "x"}}', ":1: {{template}} is not supported here"),
        ("{{&}}", ":1: unexpected bad character U+0026 '&' in command"),
        ("{{{}}", ":1: unexpected bad character U+007B '{' in command"),
        ("{{.A {{}}", ':1: unexpected "{" in command'),
        ('{{"a" "b"}}', ":1: can't give argument to non-function \"a\""),
        ("{{" + "(" * 5000 + "}}", ":1: nested too deeply"),
        ("{{if 1}}" * 5000, ":1: nested too deeply"),
        ("{{.Foo}}", ':1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("é\né {{.State.Foo}}", ':2:11: executing "" at <.State.Foo>: map has no entry for key "Foo"'),
        ("{{.Name.Foo}}", ':1:7: executing "" at <.Name.Foo>: can\'t evaluate field Foo in type string'),
        ("{{.State.Error.Foo}}", "nil pointer evaluating interface {}.Foo"),
        ("{{.Name 1}}", ':1:2: executing "" at <.Name>: Name is not a method but has arguments'),
        ("{{.Label}}", "wrong number of args for Label: want 1 got 0"),
        ("{{json}}", ':1:2: executing "" at <json>: wrong number of args for json: want 1 got 0'),
        ("{{index}}", "wrong number of args for index: want at least 1 got 0"),
        ("{{and}}", "wrong number of args for and: want at least 1 got 0"),
        ("{{print and}}", "wrong number of args for and: want at least 1 got 0"),
        ("{{eq 1}}", "error calling eq: missing argument for comparison"),
        ("{{eq .Name 3}}",
         ':1:2: executing "" at <eq .Name 3>: error calling eq: incompatible types for comparison'),
        ('{{lt 1 "a"}}',
         ':1:2: executing "" at <lt 1 "a">: error calling lt: incompatible types for comparison'),
        ("{{lt true false}}", "error calling lt: invalid type for comparison"),
        ("{{len 3}}", ':1:2: executing "" at <len 3>: error calling len: len of type int'),
        ("{{index .Args 5}}",
         ':1:2: executing "" at <index .Args 5>: error calling index: index out of range: 5'),
        ("{{index .Args -1}}", "error calling index: index out of range: -1"),
        ("{{index 3 1}}", "error calling index: can't index item of type int"),
        ("{{index nil 1}}", "error calling index: index of untyped nil"),
        ('{{index .Args "a"}}', "error calling index: cannot index slice/array with type string"),
        ('{{slice "abc" 5}}', "error calling slice: index out of range: 5"),
        ('{{slice "abc" 2 1}}', "error calling slice: invalid slice index: 2 > 1"),
        ('{{slice "abc" 0 1 2 3}}', "error calling slice: too many slice indexes"),
        ("{{slice 3}}", "error calling slice: can't slice item of type int"),
        ("{{upper 3}}", "error calling upper: wrong type for value; expected string; got int"),
        ('{{join "a" ","}}', "error calling join: wrong type for value; expected []string; got string"),
        ("{{range .Path}}x{{end}}", "range can't iterate over sleep"),
        ("{{$ 1}}", "can't give argument to non-function $ 1"),
    ],
)  # fmt: skip
def test_wrong_templates(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(text).render(DATA)
    assert str(caught.value).startswith("template parsing error: template: :")
    assert message in str(caught.value)
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("form", "values", "expected"),
    [
        ("%d %05d %x %c %t %5.2f %%", (42, 42, 255, 65, True, 3.14159), "42 00042 ff A true  3.14 %"),
        ("%5t|%-5d|%+d|% d|%x|%X|%08.3f", (True, 3, 3, 3, "hi", "hi", 3.14159),
         " true|3    |+3| 3|6869|6869|0003.142"),
        ("%3c|%q|%#x|%o|%b|%U", (65, 65, 255, 8, 5, 65), "  A|'A'|0xff|10|101|U+0041"),
        ("%v %v %v %v", (None, True, [1, "a"], {"b": None, "a": 1.0}), "<nil> true [1 a] map[a:1 b:<nil>]"),
        ("%T %T %T %T %T %T", (1, "a", None, [], {}, 1.5),
         "int string nil []interface {} map[string]interface {} float64"),
        ("%g %e %G", (0.1, 12345.678, 1e21), "0.1 1.234568e+04 1e+21"),
        ("%t %s", ("a", 1), "%!t(string=a) %!s(int=1)"),
        ("100%", (), "100%!(NOVERB)"),
        ("%99999999999d", (1,), f"{1:>10000}"),
    ],
)  # fmt: skip
def test_printf(form: str, values: tuple[Any, ...], expected: str) -> None:
    assert sprintf(form, *values) == expected


def test_quoting() -> None:
    assert quote('a"\\\n\t\x01é\u200b\udcff') == '"a\\"\\\\\\n\\t\\x01é\\u200b\\xff"'


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_json_is_the_value(value: Any) -> None:
    text = Template("{{json .}}").render(value)
    assert json.loads(text) == value


@given(values)
def test_every_value_prints(value: Any) -> None:
    assert Template("{{.}}{{printf `%v %q %d` . . .}}").render(value)


def test_json_of_a_name_that_is_no_utf8() -> None:
    assert Template("{{json .}}").render({"a": "x\udcff", "f": lambda: 1}) == '{"a":"x\ufffd"}'


@given(st.text())
def test_text_without_braces_is_itself(text: str) -> None:
    if "{{" not in text:
        assert Template(text).render(None) == text


@given(st.text())
def test_a_quoted_text_is_the_text(text: str) -> None:
    literal = json.dumps(text, ensure_ascii=False).replace("\\/", "/")
    assert Template("{{" + literal + "}}").render(None) == text


PIECES = """{{ }} {{- -}} .Name .Args .Foo $x $ := = | ( ) , if range with else end break and or index len
printf json eq 1 0 1.5 'a' "s" ` ' " nil true . /* */ define"""
pieces = st.sampled_from(PIECES.split())


@given(st.lists(st.one_of(pieces, st.text(max_size=2)), max_size=20))
def test_any_text_is_a_template_or_a_template_error(parts: list[str]) -> None:
    try:
        assert isinstance(Template(" ".join(parts)).render(DATA), str)
    except TemplateError as error:
        assert "template parsing error" in str(error)  # noqa: PT017 (either is fine)


@given(st.lists(pieces, min_size=1, max_size=8))
def test_any_action_is_an_action_or_a_template_error(parts: list[str]) -> None:
    test_any_text_is_a_template_or_a_template_error.hypothesis.inner_test(["{{", *parts, "}}"])  # type: ignore[attr-defined]


def test_a_field_that_json_omits_is_empty_and_no_other_is() -> None:
    data = {"State": Omitting({"Pid": 1}, ("Health",))}
    text = "{{if .State.Health}}yes{{else}}no{{end}} {{json .State}} {{len .State}}"
    assert Template(text).render(data) == 'no {"Pid":1} 1'
    with pytest.raises(TemplateError, match='no entry for key "Healt"'):
        Template("{{.State.Healt}}").render(data)
