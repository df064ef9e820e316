"""What machines say is not always text: what PostgreSQL would refuse is replaced, so each outcome can be written."""

import math
from dataclasses import fields, is_dataclass, replace
from typing import Any

MARK = "\N{REPLACEMENT CHARACTER}"


def clean(value: Any) -> Any:
    """The same value with NUL and lone surrogates marked and numbers that are none as words, however deep they stand.

    Takes what JSON can hold, tuples, and dataclasses of them. A second pass changes nothing.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(clean(item) for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: clean(getattr(value, f.name)) for f in fields(value)})
    return value


def _text(value: str) -> str:
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", MARK).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
