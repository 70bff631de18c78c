"""The spec grammar: `onnx+quantized+threads=2+batching:max=32,wait=10ms+workers=2`."""

import difflib
import importlib
import pkgutil
import re
from dataclasses import replace
from functools import cache

import variants
from variants._errors import OptbuildError
from variants._layer import LEVELS, Layer, Parameter, Variant
from variants._quantity import example, parse
from variants._quantity import spell as spell_quantity


@cache
def layers() -> dict[str, Layer]:
    """Every layer by name, in canonical order: by level, each after those that it needs."""
    names = [m.name for m in pkgutil.iter_modules(variants.__path__) if m.name[0] != "_"]
    found: dict[str, Layer] = {
        name: importlib.import_module(f"variants.{name}").LAYER for name in names
    }

    def rank(name: str) -> tuple[int, bool, bool, str]:
        layer = found[name]
        return LEVELS.index(layer.level), layer.slot is None, not layer.needs, name

    ordered: dict[str, Layer] = {}

    def add(name: str) -> None:
        for need in found[name].needs:
            add(need)
        ordered[name] = found[name]

    for name in sorted(found, key=rank):
        if name not in ordered:
            add(name)
    return ordered


def compose(spec: str) -> Variant:
    """The variant that a spec describes; the order of the layers does not matter.

    Raises OptbuildError for anything that is not a variant: unknown layer or parameter, a value
    out of range, two layers that exclude each other, a missing prerequisite.
    """
    return _add_up([_parse_part(part) for part in _parts(spec)])


def cumulative(spec: str) -> list[Variant]:
    """The variants of a cumulative ablation: the baseline, then one layer more at each step.

    The layers are added in the order in which `spec` gives them; here the order matters.
    """
    parsed = [_parse_part(part) for part in _parts(spec)]
    compose(spec)
    seen: list[str] = []
    for name, _ in parsed:
        for need in layers()[name].needs:
            if need not in seen:
                raise OptbuildError(
                    f"an ablation adds layers in the order given: put '{need}' before '{name}'"
                )
        seen.append(name)
    return [_add_up(parsed[:count]) for count in range(len(parsed) + 1)]


def layers_of(spec: str) -> frozenset[str]:
    """The layers of a canonical spec as it spells them; none for `baseline`."""
    return frozenset(spec.split("+")) - {"baseline"}


def layer_name(part: str) -> str:
    """The layer's name in `layer`, `layer=value` or `layer:key=value`."""
    return _split_at(part)[0]


def bento_variant(variant: Variant) -> Variant:
    """The variant without its deployment layers: what is in its Bento."""
    kept = tuple(
        layer for layer in variant.layers if layers()[_split_at(layer)[0]].level != "deployment"
    )
    return replace(variant, layers=kept, replicas=1, cpu_limit=None, memory_limit_bytes=None)


Parsed = tuple[str, dict[str, float | None]]


def _parts(spec: str) -> list[str]:
    parts = [part.strip() for part in spec.split("+")]
    if parts == ["baseline"]:
        return []
    if "baseline" in parts:
        raise OptbuildError("'baseline' is the variant without layers: use it alone, or drop it")
    if "" in parts:
        raise OptbuildError(
            f"empty layer in '{spec}': write layers joined by '+', as in onnx+batching"
        )
    return parts


def _parse_part(part: str) -> Parsed:
    """One `layer`, `layer=value` or `layer:key=value,key=value` with defaults filled in."""
    name, separator, rest = _split_at(part)
    if name not in layers():
        raise OptbuildError(_unknown("layer", name, list(layers())) + "; see: optbuild layers")
    parameters = {parameter.name: parameter for parameter in layers()[name].parameters}
    given: dict[str, str] = {}
    if separator == "=":
        if not parameters:
            raise OptbuildError(f"layer '{name}' takes no value: write just '{name}'")
        given[next(iter(parameters))] = rest
    elif separator == ":":
        for item in rest.split(","):
            key, equals, value = item.partition("=")
            if not equals:
                raise OptbuildError(f"'{item}' in '{part}' is not key=value")
            if key not in parameters:
                raise OptbuildError(_unknown(f"parameter of '{name}'", key, list(parameters)))
            if key in given:
                raise OptbuildError(f"'{key}' is given twice in '{part}': keep one")
            given[key] = value
    values = {
        key: _number(name, parameter, given[key]) if key in given else parameter.default
        for key, parameter in parameters.items()
    }
    return name, values


def _split_at(part: str) -> tuple[str, str, str]:
    """Name, `=` or `:` or nothing, and what follows."""
    at = re.search("[=:]", part)
    return (part[: at.start()], at[0], part[at.end() :]) if at else (part, "", "")


def _number(layer: str, parameter: Parameter, text: str) -> float:
    if parameter.choices:
        if text not in parameter.choices:
            raise OptbuildError(
                f"'{layer}' takes {' or '.join(parameter.choices)} for '{parameter.name}', "
                f"not '{text}'"
            )
        return parameter.choices.index(text)
    value = parse(parameter.unit, text)
    if value is None:
        wanted = example(parameter.unit)
        raise OptbuildError(f"'{layer}' takes {wanted} for '{parameter.name}', not '{text}'")
    if not parameter.minimum <= value <= parameter.maximum:
        low, high = (spell(parameter, bound) for bound in (parameter.minimum, parameter.maximum))
        raise OptbuildError(
            f"'{parameter.name}' of '{layer}' is {text}, must be from {low} to {high}"
        )
    return value


def _add_up(parsed: list[Parsed]) -> Variant:
    names = [name for name, _ in parsed]
    slots: dict[str, str] = {}
    for name in names:
        if names.count(name) > 1:
            raise OptbuildError(f"layer '{name}' is given twice: keep one")
        slot = layers()[name].slot
        if slot is not None and slots.setdefault(slot, name) != name:
            raise OptbuildError(f"'{slots[slot]}' and '{name}' are both a {slot}: keep one")
        for other in layers()[name].excludes:
            if other in names:
                raise OptbuildError(f"'{name}' and '{other}' exclude each other: keep one")
        for need in layers()[name].needs:
            if need not in names:
                raise OptbuildError(f"layer '{name}' needs '{need}': write {need}+{name}")
    variant = Variant()
    canonical = sorted(parsed, key=lambda item: list(layers()).index(item[0]))
    for name, values in canonical:
        variant = layers()[name].apply(variant, values)
    spelled = tuple(_canonical(name, values) for name, values in canonical)
    return replace(variant, layers=spelled)


def _canonical(name: str, values: dict[str, float | None]) -> str:
    """Shortest spelling that means the same: defaults are left out."""
    given = [
        (parameter.name, spell(parameter, value))
        for parameter in layers()[name].parameters
        if (value := values[parameter.name]) is not None
        and (parameter.always_spelled or value != parameter.default)
    ]
    if not given:
        return name
    if len(given) == 1 and given[0][0] == layers()[name].parameters[0].name:
        return f"{name}={given[0][1]}"
    return f"{name}:" + ",".join(f"{key}={value}" for key, value in given)


def spell(parameter: Parameter, value: float) -> str:
    """A value as a spec spells it."""
    if parameter.choices:
        return parameter.choices[int(value)]
    return spell_quantity(parameter.unit, value)


def _unknown(what: str, given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known) or 'none'}"
    return f"unknown {what} '{given}': {hint}"
