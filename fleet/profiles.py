"""Profiles: how a kind of device should be. The spec of a version never changes, so a process reads each once."""

from functools import lru_cache
from typing import Any

from fleet.models import Profile

# key -> (type, what it is for); docs/profiles.md has the long form
KEYS: dict[str, tuple[type, str]] = {
    "model": (str, "the maker's name"),
    "delivery": (str, "uefi_http or pxe"),
    "http_interface": (str, "the port that boots by UEFI HTTP, as the BMC names it"),
    "parts": (dict, "kind of part to how many"),
    "slots": (dict, "kind of part to the names of its slots"),
    "pcie": (dict, "kind of part to {width, gen}"),
    "baseline": (dict, "firmware component to version"),
    "bios": (dict, "BIOS attribute to value"),
    "burn_in": (dict, "{tests: [{name, minutes}]}"),
    "validate": (dict, "{tests: [{name, minutes}]}"),
    "deadlines": (dict, "kind of operation to minutes"),
    "disk": (dict, "{role} or {serial} of the disk that takes the OS"),
    "image": (str, "name of the image in the catalogue"),
    "image_file": (dict, "{name, sha256, size_bytes} of that image"),
}
DELIVERIES = ("uefi_http", "pxe")
# Kinds of operation that may have a deadline of their own: those of provisioning.operations.registry.
TIMED = ("identify", "inspect", "update", "burn_in", "install", "validate", "drain", "power")
MOST_MINUTES = 366 * 24 * 60


@lru_cache(maxsize=256)
def profile_spec(profile_id: int | None) -> dict[str, Any]:
    """The spec of a profile version; empty for a device without one."""
    if profile_id is None:
        return {}
    return dict(Profile.objects.values_list("spec", flat=True).get(pk=profile_id))


def problems(spec: Any) -> list[str]:
    """Everything that is wrong with a spec, in words that name the key, the value and what would be right."""
    if not isinstance(spec, dict):
        return ["a profile is a mapping of keys"]
    found = [f"{key}: no such key; known are {', '.join(KEYS)}" for key in spec if key not in KEYS]
    for key, value in spec.items():
        if key in KEYS and not isinstance(value, KEYS[key][0]):
            found.append(f"{key}: {value!r} should be {KEYS[key][1]}")
    if spec.get("delivery", "uefi_http") not in DELIVERIES:
        found.append(f"delivery: {spec['delivery']!r} should be one of {', '.join(DELIVERIES)}")
    return found + _bad_tests(spec) + _bad_values(spec)


def _bad_tests(spec: dict[str, Any]) -> list[str]:
    found = []
    for key in ("burn_in", "validate"):
        tests = spec[key].get("tests", []) if isinstance(spec.get(key), dict) else []
        for n, test in enumerate(tests if isinstance(tests, list) else [tests]):
            named = isinstance(test, dict) and isinstance(test.get("name"), str)
            if not (named and _is_minutes(test.get("minutes"))):
                found.append(f"{key}.tests[{n}]: {test!r} should be {{name: text, minutes: {_MINUTES}}}")
    return found


_MINUTES = f"more than 0, at most {MOST_MINUTES}"


def _is_minutes(n: Any) -> bool:
    """YAML knows .inf and .nan; either would be no time that can be added to another."""
    return isinstance(n, int | float) and not isinstance(n, bool) and 0 < n <= MOST_MINUTES


def _bad_values(spec: dict[str, Any]) -> list[str]:
    def items(key: str) -> list[tuple[Any, Any]]:
        value = spec.get(key)
        return list(value.items()) if isinstance(value, dict) else []

    counts = [f"parts.{k}: {n!r} should be a count" for k, n in items("parts") if not isinstance(n, int) or n < 0]
    versions = [
        f"baseline.{k}: {v!r} should be a version in quotes" for k, v in items("baseline") if not isinstance(v, str)
    ]
    times = items("deadlines")
    minutes = [f"deadlines.{k}: {n!r} should be minutes, {_MINUTES}" for k, n in times if not _is_minutes(n)]
    kinds = [f"deadlines.{k}: no such kind; known are {', '.join(TIMED)}" for k, _ in times if k not in TIMED]
    return counts + versions + minutes + kinds


def store(name: str, spec: dict[str, Any]) -> tuple[Profile, bool]:
    """The newest version of a profile if its spec is this one, else a new version."""
    newest = Profile.objects.filter(name=name).order_by("-version").first()
    if newest is not None and newest.spec == spec:
        return newest, False
    version = newest.version + 1 if newest else 1
    return Profile.objects.create(name=name, version=version, spec=spec), True
