"""Code to paste contains names from logs as strings, whatever they are."""

import ast
import io
import tokenize

import pytest

from earlystop_lab import Keras
from earlystop_lab.report.pasting import lines

NAMES = [
    'val_loss", mode="min"); __import__("os").abort() #',
    "val_loss'); abort() #",
    "val_\\",
    'val_\\"',
    "val_loss\n__import__('os').abort()",
    "val_\u2028abort()\r\x1b[2J\u202e",
    "val_{patience}{0}",
]


@pytest.mark.parametrize("name", NAMES)
def test_code_to_paste_has_names_as_strings(name):
    made = lines(Keras(5), monitor=name, metric=name, data=name)
    assert len(made) > 4
    for line in made:
        for text in (line.code, line.note):
            assert text.replace("\n", "").isprintable()
        assert "\n" not in line.note
        tree = ast.parse(line.code)
        called = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        assert not any("import" in each or "abort" in each for each in called)
        kinds = {token.type for token in tokenize.generate_tokens(io.StringIO(line.code).readline)}
        assert tokenize.COMMENT not in kinds
    (keras,) = (line for line in made if line.program == "Keras")
    (call,) = (n for n in ast.walk(ast.parse(keras.code)) if isinstance(n, ast.Call))
    (monitor,) = (each.value for each in call.keywords if each.arg == "monitor")
    assert ast.literal_eval(monitor) == name
