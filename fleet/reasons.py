"""Why a person does something: one rule for pages, programs and the engine."""

from fleet.errors import BadValue

LEAST = 3
MOST = 500


def needed(reason: str) -> str:
    """The words without blanks around them. Raises BadValue (422) for too few, too many, and what cannot be stored."""
    words = reason.strip()
    if not LEAST <= len(words) <= MOST or "\0" in words:
        expected = f"{LEAST} to {MOST} characters"
        raise BadValue("a reason is needed", field="reason", value=reason[:MOST], expected=expected)
    return words
