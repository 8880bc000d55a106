"""From tokens to a tree, by recursive descent.

::

    template  = { text | action }
    action    = "{{" ( pipeline
                     | ("if"|"with"|"range") pipeline "}}" template [else] "{{" "end"
                     | "break" | "continue" ) "}}"
    else      = "{{" "else" [ ("if"|"with") pipeline ] "}}" template        (the "end" is shared)
    pipeline  = [ variable ["," variable] (":="|"=") ] command { "|" command }
    command   = operand { operand }                    the first with arguments is a function
    operand   = ( literal | "." | field | variable | word | "(" pipeline ")" ) [ field ]
"""

from __future__ import annotations

from minicontainer.cli.template import lexer
from minicontainer.cli.template.errors import TemplateError
from minicontainer.cli.template.functions import FUNCTIONS, LAZY
from minicontainer.cli.template.lexer import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Node = Any  # one of the classes below

KEYWORDS = frozenset(["if", "with", "range", "else", "end", "break", "continue"])
UNSUPPORTED = frozenset(["define", "template", "block"])
DEEPEST = 50  # levels of parentheses and branches; Python's own stack ends soon behind
CONSTANTS = {"true": True, "false": False, "nil": None}


class Text:
    """What stands outside the braces."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Output:
    """``{{pipeline}}``."""

    __slots__ = ("pipeline",)

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline


class Branch:
    """``kind`` is if, with or range; ``otherwise`` is what follows else."""

    __slots__ = ("body", "kind", "otherwise", "pipeline")

    def __init__(self, kind: str, pipeline: Pipeline, body: list[Node], otherwise: list[Node]) -> None:
        self.kind = kind
        self.pipeline = pipeline
        self.body = body
        self.otherwise = otherwise


class Jump:
    """``kind`` is break or continue."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Pipeline:
    """Commands, each given the value of the one before it; then the value may go into variables."""

    __slots__ = ("assigns", "commands", "variables")

    def __init__(self, variables: list[str], assigns: bool, commands: list[Command]) -> None:
        self.variables = variables
        self.assigns = assigns  # "=" and not ":="
        self.commands = commands


class Command:
    """An operand and its arguments; ``where`` and ``source`` are for messages."""

    __slots__ = ("operands", "source", "where")

    def __init__(self, operands: list[Node], where: str, source: str) -> None:
        self.operands = operands
        self.where = where
        self.source = source


class Literal:
    """Text, a number, true, false or nil."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Function:
    """A name in FUNCTIONS or LAZY."""

    __slots__ = ("name", "source", "where")

    def __init__(self, name: str, where: str) -> None:
        self.name = self.source = name
        self.where = where


class Path:
    """Fields of a start: the dot (None), a variable's name, or an operand in parentheses."""

    __slots__ = ("fields", "source", "start", "where")

    def __init__(self, start: str | Pipeline | None, fields: list[Field], where: str, source: str) -> None:
        self.start = start
        self.fields = fields
        self.where = where
        self.source = source


class Field:
    """One ``.Name`` of a path."""

    __slots__ = ("name", "source", "where")

    def __init__(self, name: str, where: str, source: str) -> None:
        self.name = name
        self.where = where
        self.source = source


def parse(template: str) -> list[Node]:
    """The tree.  Raises TemplateError."""
    return _Parser(template).template()


class _Parser:
    def __init__(self, template: str) -> None:
        self.source = template
        self.tokens = lexer.tokenize(template)
        self.position = 0
        self.variables = ["$"]
        self.loops = 0
        self.depth = 0

    # -- tokens

    def peek(self) -> Token:
        return self.tokens[self.position]

    def next(self) -> Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def error(self, what: str, token: Token | None = None) -> TemplateError:
        return TemplateError(what, lexer.line_of(self.source, (token or self.peek()).start))

    def where(self, offset: int) -> str:
        """``:line:column: ``; columns count bytes, from 0, as Go's."""
        line = self.source[self.source.rfind("\n", 0, offset) + 1 : offset]
        return f"{lexer.line_of(self.source, offset)[:-1]}{len(line.encode(errors='surrogateescape'))}: "

    def close(self, context: str) -> None:
        token = self.next()
        if token.kind != lexer.CLOSE:
            raise self.error(f'unexpected "{token.text}" in {context}', token)

    # -- the grammar

    def template(self) -> list[Node]:
        nodes, keyword = self.block()
        if keyword is not None:
            raise self.error(f"unexpected {{{{{keyword.text}}}}}", keyword)
        return nodes

    def block(self) -> tuple[list[Node], Token | None]:
        """Nodes up to ``else`` or ``end`` (behind its word), or up to the end of the file."""
        nodes: list[Node] = []
        while True:
            token = self.next()
            if token.kind == lexer.END_OF_FILE:
                self.position -= 1
                return nodes, None
            if token.kind == lexer.TEXT:
                nodes.append(Text(token.text))
                continue
            keyword = self.peek()
            if keyword.kind != lexer.WORD or keyword.text not in KEYWORDS | UNSUPPORTED:
                nodes.append(Output(self.pipeline("command")))
                self.close("command")
                continue
            self.next()
            if keyword.text in ("else", "end"):
                return nodes, keyword
            nodes.append(self.action(keyword))

    def action(self, keyword: Token) -> Node:
        if keyword.text in UNSUPPORTED:
            raise self.error(f"{{{{{keyword.text}}}}} is not supported here", keyword)
        if keyword.text in ("break", "continue"):
            if not self.loops:
                raise self.error(f"{{{{{keyword.text}}}}} outside {{{{range}}}}", keyword)
            self.close(keyword.text)
            return Jump(keyword.text)
        return self.branch(keyword.text)

    def branch(self, kind: str) -> Branch:
        """From behind ``if``, ``with`` or ``range`` to behind its ``end``."""
        self.deeper()
        known = len(self.variables)
        pipeline = self.pipeline(kind)
        self.close(kind)
        self.loops += kind == "range"
        inner = len(self.variables)
        body, keyword = self.block()
        del self.variables[inner:]
        self.loops -= kind == "range"
        otherwise: list[Node] = []
        if keyword is not None and keyword.text == "else":
            otherwise, keyword = self.otherwise(kind)
        if keyword is None:
            raise self.error("unexpected EOF")
        if keyword.text != "end":
            raise self.error(f"expected end; found {{{{{keyword.text}}}}}", keyword)
        self.close("end")
        del self.variables[known:]
        self.depth -= 1
        return Branch(kind, pipeline, body, otherwise)

    def otherwise(self, kind: str) -> tuple[list[Node], Token | None]:
        """What follows ``else``; for ``else if`` a branch that shares our ``end``."""
        token = self.peek()
        if token.kind == lexer.WORD and token.text in ("if", "with") and kind != "range":
            self.next()
            nested = self.branch(token.text)
            # The nested branch has read "end }}"; give both back for ours to read.
            self.position -= 2
            return [nested], self.next()
        self.close("else")
        return self.block()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error("nested too deeply")

    def pipeline(self, context: str) -> Pipeline:
        self.deeper()
        variables, assigns = self.declaration(context)
        commands = [self.command(context)]
        while self.peek().text == "|" and self.peek().kind == lexer.SYMBOL:
            self.next()
            if self.peek().kind == lexer.CLOSE or self.peek().text == ")":
                raise self.error(f"missing value for {context}")
            commands.append(self.command(context))
            if isinstance(commands[-1].operands[0], Literal):
                raise self.error(f"non executable command in pipeline stage {len(commands)}")
        if not assigns:
            self.variables += variables
        self.depth -= 1
        return Pipeline(variables, assigns, commands)

    def declaration(self, context: str) -> tuple[list[str], bool]:
        """``$x :=``, ``$i, $x :=`` or ``$x =``: names, and whether they exist already."""
        start = self.position
        names = []
        while self.peek().kind == lexer.VARIABLE and "." not in self.peek().text:
            names.append(self.next().text)
            separator = self.next()
            if separator.text in (":=", "=") and separator.kind == lexer.SYMBOL:
                if separator.text == "=":
                    for name in names:
                        self.known(name, separator)
                return names, separator.text == "="
            if separator.text != "," or context != "range":
                break
            if len(names) == 2:
                raise self.error("too many declarations in range", separator)
        self.position = start
        return [], False

    def known(self, name: str, token: Token) -> str:
        if name not in self.variables:
            raise self.error(f'undefined variable "{name}"', token)
        return name

    def command(self, context: str) -> Command:
        first = self.peek()
        operands: list[Node] = []
        while True:
            token = self.peek()
            if token.kind == lexer.CLOSE or (token.kind == lexer.SYMBOL and token.text in "|)"):
                break
            operands.append(self.operand())
        if not operands:
            raise self.error(
                "unexpected right paren" if first.text == ")" else f"missing value for {context}", first
            )
        if len(operands) > 1 and isinstance(operands[0], Literal):
            raise self.error(f"can't give argument to non-function {self.text_of(first, first)}", first)
        return Command(operands, self.where(first.start), self.text_of(first, self.tokens[self.position - 1]))

    def text_of(self, first: Token, last: Token) -> str:
        return self.source[first.start : last.end]

    def operand(self) -> Node:
        token = self.next()
        if token.kind in (lexer.STRING, lexer.CHARACTER, lexer.NUMBER) or token.text in CONSTANTS:
            return Literal(self.literal(token))
        if token.kind == lexer.WORD:
            if token.text not in FUNCTIONS and token.text not in LAZY:
                raise self.error(f'function "{token.text}" not defined', token)
            return Function(token.text, self.where(token.start))
        if token.kind in (lexer.DOT, lexer.FIELD):
            return self.path(None, token)
        if token.kind == lexer.VARIABLE:
            return self.path(self.known(token.text.split(".")[0], token), token)
        if token.text != "(" or token.kind != lexer.SYMBOL:
            raise self.error(f'unexpected "{token.text}" in operand', token)
        inner = self.pipeline("parenthesized pipeline")
        if self.peek().text != ")":
            raise self.error("unclosed left paren", token)
        self.next()
        after = self.peek()
        if after.kind == lexer.FIELD and not after.spaced:
            self.next()
            return self.path(inner, after)
        return self.path(inner, token)

    def path(self, start: str | Pipeline | None, token: Token) -> Path:
        fields = []
        begin, *names = token.text.split(".")
        offset = token.start + len(begin)
        for name in names:
            if name:
                fields.append(Field(name, self.where(offset), token.text))
            offset += 1 + len(name)
        return Path(start, fields, self.where(token.start), token.text)

    def literal(self, token: Token) -> Any:
        if token.kind == lexer.STRING:
            return lexer.unquote(token.text)
        if token.kind == lexer.CHARACTER:
            return ord(lexer.unquote(token.text))
        if token.kind == lexer.WORD:
            return CONSTANTS[token.text]
        try:
            return lexer.number_value(token.text)
        except ValueError:
            raise self.error(f"bad number syntax: {token.text!r}", token) from None
