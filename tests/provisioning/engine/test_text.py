"""Whatever a machine says comes out as what PostgreSQL takes."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from provisioning.engine.text import clean

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@dataclass(frozen=True)
class Said:
    words: str
    more: tuple[str, ...] = ()


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings_in(key)
            yield from strings_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings_in(item)


@given(JSON)
def test_nothing_that_the_database_would_refuse_is_left(value):
    cleaned = clean(value)
    for text in strings_in(cleaned):
        assert "\0" not in text
        text.encode()
    assert clean(cleaned) == cleaned


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_text_is_left_as_it_is(text):
    assert clean([text, {"a": text}]) == [text, {"a": text}]


def test_in_dataclasses_too():
    assert clean(Said("a\0", ("b\0", "c"))) == Said("a\N{REPLACEMENT CHARACTER}", ("b\N{REPLACEMENT CHARACTER}", "c"))


def test_a_pair_of_surrogates_is_the_character_that_it_means():
    assert clean("\ud83d\ude00") == "\U0001f600"
