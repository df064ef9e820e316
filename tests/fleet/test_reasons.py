"""Why a person does something: the one rule of it."""

import pytest

from fleet import reasons
from fleet.errors import BadValue


@pytest.mark.parametrize("text", ["fan", " fan swapped ", "x" * 500])
def test_words_are_kept_without_blanks_around_them(text):
    assert reasons.needed(text) == text.strip()


@pytest.mark.parametrize("text", ["", "   ", " no ", "x" * 501, "a\0bc"])
def test_what_says_nothing_or_cannot_be_stored_is_refused(text):
    with pytest.raises(BadValue) as refused:
        reasons.needed(text)
    assert (refused.value.status, refused.value.field) == (422, "reason")
    assert refused.value.expected == "3 to 500 characters"
