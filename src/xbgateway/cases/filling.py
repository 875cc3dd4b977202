"""Messages of a case, made of its application and of answers; and answers, told apart.

In a declaration ``$application.person.bir_no`` is what the application has there, and
``$answers.matching.receipt_no`` what the state ``matching`` was answered. What is not there is left
out of the message: whether it is needed says law, and the message's own labels.
"""

from collections.abc import Iterator, Mapping
from typing import Any

# What else may be named.
NOT_NAMED = frozenset({"case.number", "case.opened_on", "today"})


def names(
    template: Any, place: tuple[object, ...] = ()
) -> Iterator[tuple[tuple[object, ...], str]]:
    """Everything that a template names, with its place."""
    match template:
        case dict():
            for key, value in template.items():
                yield from names(value, (*place, key))
        case list():
            for number, value in enumerate(template):
                yield from names(value, (*place, number))
        case str() if template.startswith("$"):
            yield place, template[1:]


def filled(template: Any, given: Mapping[str, Any]) -> Any:
    """The template with everything that it names put in its place."""
    match template:
        case dict():
            made = {key: filled(value, given) for key, value in template.items()}
            return {key: value for key, value in made.items() if value is not None}
        case list():
            return [value for each in template if (value := filled(each, given)) is not None]
        case str() if template.startswith("$"):
            return at(given, template[1:])
    return template


def at(given: Any, path: str) -> Any:
    """What stands at a path of names; ``None`` where nothing does."""
    for part in path.split("."):
        if not isinstance(given, Mapping) or part not in given:
            return None
        given = given[part]
    return given


def matching(when: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Whether an answer is what a branch tells apart."""
    return all(at(answer, path) == value for path, value in when.items())
