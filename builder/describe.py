"""Layers and builds in words, and in JSON."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from analysis.drift import points
from builder.budget import budget
from builder.build import Build
from builder.check import Accuracy, Check
from variants._layer import Parameter
from variants._spec import layers, spell


def layers_as_json() -> list[dict[str, Any]]:
    """Every layer in canonical order."""
    return [
        {
            "name": name,
            "level": layer.level,
            "summary": layer.summary,
            "needs": list(layer.needs),
            "parameters": [vars(parameter) for parameter in layer.parameters],
        }
        for name, layer in layers().items()
    ]


def layers_table() -> Table:
    """Every layer in canonical order."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("layer", "level", "needs", "parameters", "what it does"):
        table.add_column(heading)
    for name, layer in layers().items():
        parameters = "\n".join(map(_parameter, layer.parameters)) or "-"
        table.add_row(name, layer.level, ", ".join(layer.needs) or "-", parameters, layer.summary)
    return table


def _parameter(parameter: Parameter) -> str:
    default = "auto" if parameter.default is None else spell(parameter, parameter.default)
    if parameter.choices:
        return f"{parameter.name}={default} ({' or '.join(parameter.choices)})"
    low, high = spell(parameter, parameter.minimum), spell(parameter, parameter.maximum)
    return f"{parameter.name}={default} ({low} to {high})"


def build_as_json(build: Build) -> dict[str, Any]:
    """A Bento and its check."""
    return {
        "spec": build.variant.spec,
        "tag": build.tag,
        "path": str(build.path),
        "cached": build.cached,
        "seconds": round(build.seconds, 3),
        "check": build.check.to_json(),
        "accuracy_meaningful": build.model.kind != "synthetic",
        "variant": dict(build.details),
        "threads": budget(build.variant).to_json(),
    }


def build_lines(build: Build) -> list[str]:
    """A Bento and its check, a line for each fact."""
    how = "cached" if build.cached else f"built in {build.seconds:.0f} s"
    settings = build.variant.settings()
    shown = ", ".join(
        f"{key}={value}" for key, value in settings.items() if value not in (None, False)
    )
    return [
        f"{build.variant.spec}: {build.tag} ({how})",
        f"  settings  {shown}",
        *budget(build.variant).lines(),
        *_artifact_lines(build),
        *_check_lines(build.check, build.model.kind != "synthetic"),
        f"  serve it  bentoml serve {build.tag}",
    ]


def _artifact_lines(build: Build) -> list[str]:
    artifact = build.details["artifact"]
    if artifact is None:
        return []
    counts = artifact["operators"]
    telling = ("Attention", "QAttention", "BiasGelu")
    graph = ", ".join(f"{counts[name]} {name}" for name in telling if name in counts)
    isa = f"; {_weights(artifact)}" if "isa" in artifact else ""
    lines = [f"  graph     {graph}{isa}"]
    if "int8_kernels" in artifact:
        kernels = ", ".join(f"{count} {name}" for name, count in artifact["int8_kernels"].items())
        lines.append(f"  int8      {kernels}; activations {artifact['activations']}")
    if texts := artifact.get("calibration"):
        lines.append(f"  ranges    from {texts['count']} texts ({texts['source']})")
    if kept := artifact.get("kept_fp32"):
        lines.append(f"  in fp32   {', '.join(kept)}")
    return lines


def _weights(artifact: Mapping[str, Any]) -> str:
    if artifact["weights"] != "int7":
        return f"{artifact['weights']} weights for {artifact['isa']}"
    return f"int8 weights with 7 of the 8 bits: {artifact['isa']}'s multiply-add saturates with 8"


def _check_lines(check: Check, meaningful: bool) -> list[str]:
    lines = [
        f"  answers   {check.label_flips} of {check.texts} labels differ from the baseline's "
        f"({check.flip_rate:.2%}), largest probability difference {check.largest_difference:.2g} "
        f"({check.source})"
    ]
    if invariance := check.batch_invariance:
        lines.append(
            f"  batches   batch invariance: {invariance.label_flips} of {invariance.texts} labels "
            f"differ alone and beside others ({invariance.flip_rate:.2%}), largest drift "
            f"{points(invariance.largest_drift)} points"
        )
    if served := check.served:
        lines.append(
            f"  served    through its server: {served.label_flips} of {served.texts} labels differ "
            f"({served.flip_rate:.2%}), largest drift "
            f"{points(served.largest_drift)} points"
        )
    if not meaningful:
        lines.append("  accuracy  not meaningful: the weights are random")
    elif check.accuracy and check.baseline_accuracy:
        lines.append(
            f"  accuracy  {_accuracy(check.accuracy)}, baseline "
            f"{_accuracy(check.baseline_accuracy)}, 95% intervals"
        )
    else:
        lines.append("  accuracy  unknown: no labels; give a labelled set with --golden")
    return lines


def _accuracy(accuracy: Accuracy) -> str:
    return f"{accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%})"
