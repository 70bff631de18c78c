"""A kustomize base, and an overlay for each variant beside it."""

from pathlib import Path
from typing import Any

import yaml

from analysis.files import write_text
from deploy.manifests.overlay import additions, patches
from deploy.manifests.release import Release
from deploy.manifests.render import BASE_FILES, KUSTOMIZATION, base_text, to_yaml
from variants._errors import OptbuildError


def write(release: Release, folder: Path) -> Path:
    """Write the base and this variant's overlay; return the overlay's folder.

    Overlays of other variants that are there already stay. Raises OptbuildError if they belong to
    a release of another name: they would patch objects that the base no longer has.
    """
    base = folder / "base"
    _require_same_name(base / "deployment.yaml", release.name)
    for file in (*BASE_FILES, KUSTOMIZATION):
        _write(base / file, base_text(file, release.name))
    overlay = folder / "overlays" / slug(release.variant.spec)
    resources = ["../../base"]
    for item in additions(release):
        resources.append(f"{item['kind'].lower()}.yaml")
        _write(overlay / resources[-1], to_yaml([item]))
    patched = []
    for item in patches(release):
        patched.append({"path": f"{item['kind'].lower()}.yaml"})
        _write(overlay / patched[-1]["path"], to_yaml([item]))
    kustomization: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
        "patches": patched,
    }
    _write(overlay / KUSTOMIZATION, to_yaml([kustomization]))
    return overlay


def slug(spec: str) -> str:
    """A spec as the name of a folder."""
    return spec.translate(str.maketrans("+=:,", "----"))


def _require_same_name(deployment: Path, name: str) -> None:
    if not deployment.exists():
        return
    there = yaml.safe_load(deployment.read_text(encoding="utf-8"))["metadata"]["name"]
    if there != name:
        raise OptbuildError(
            f"{deployment.parent.parent} holds the manifests of '{there}': "
            f"choose another --out, or --name {there}"
        )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
