"""Size limits of the house, part of `make lint`: modules of at most 400 lines, functions of at most 40."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 40


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body; the docstring and the signature do not count."""
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def too_long(path: Path) -> Iterator[str]:
    """What is too long in one module, one line each. Migrations are exempt, tests only from the functions' limit."""
    if "migrations" in path.parts:
        return
    text = path.read_text()
    if (lines := len(text.splitlines())) > MODULE_LINES:
        yield f"{path}: {lines} lines, at most {MODULE_LINES}"
    if path.parts[0] == "tests":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := _length(node)) > FUNCTION_LINES:
            yield f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES}"


def main(folders: list[str]) -> int:
    """Print everything that is too long; 1 when there is something."""
    found = [words for folder in folders for path in sorted(Path(folder).rglob("*.py")) for words in too_long(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
