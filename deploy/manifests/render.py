"""The objects of a release: the base with the variant's overlay laid over it."""

import json
from importlib.resources import files
from string import Template

import yaml

from bentofiles.arriving import BODY_TIMEOUT_S
from bentofiles.contract import DEADLINE_S
from bentofiles.leaving import FILE_VARIABLE
from deploy.manifests.merge import Object, merge
from deploy.manifests.overlay import additions, patches
from deploy.manifests.release import Release

PORT = 3000
UID = 1034  # the user in images that BentoML describes
# Longer than BentoML keeps a silent connection open (5 s): those that were not told to close, for
# nothing was answered on them any more, have closed by then.
PRE_STOP_S = 7
START_S = 300  # a large model on a busy node
SLACK_S = 5
GRACE_S = PRE_STOP_S + int(BODY_TIMEOUT_S + DEADLINE_S) + SLACK_S

_BASE = files("deploy.manifests") / "base"
KUSTOMIZATION = "kustomization.yaml"
# In the order in which they are applied: what protects and reaches the pods before the pods.
BASE_FILES = (
    "networkpolicy.yaml",
    "service.yaml",
    "poddisruptionbudget.yaml",
    "deployment.yaml",
)


def base_text(file: str, name: str) -> str:
    """A file of the kustomize base, comments and all, for a release of that name."""
    values = {
        "name": name,
        "image": "image-of-the-overlay",
        "port": PORT,
        "uid": UID,
        "scratch": "/scratch",
        "leaving": FILE_VARIABLE,
        "pre_stop_s": PRE_STOP_S,
        "grace_s": GRACE_S,
        "start_failures": START_S,
        "progress_s": 2 * START_S,
    }
    return Template((_BASE / file).read_text(encoding="utf-8")).substitute(values)


def objects(release: Release) -> list[Object]:
    """Everything to apply, in order. The same release always gives the same objects."""
    base = [yaml.safe_load(base_text(file, release.name)) for file in BASE_FILES]
    by_kind = {patch["kind"]: patch for patch in patches(release)}
    merged = [merge(item, by_kind.get(item["kind"], {})) for item in base]
    return merged + additions(release)


def to_yaml(items: list[Object]) -> str:
    """YAML documents, one for each object, keys in the order of the objects."""
    # Through JSON, so that nothing is there twice: YAML would write anchors for it.
    plain = [json.loads(json.dumps(item)) for item in items]
    return "---\n".join(yaml.safe_dump(item, sort_keys=False) for item in plain)
