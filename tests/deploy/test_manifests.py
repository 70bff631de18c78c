import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate.utils
import pytest
import yaml

from bentofiles.contract import DEADLINE_S
from bentofiles.leaving import FILE_VARIABLE, LOOK_S
from deploy.manifests.kustomize import write
from deploy.manifests.merge import Object, merge
from deploy.manifests.release import Release
from deploy.manifests.render import objects, to_yaml
from deploy.threads import ENVIRONMENT
from variants._errors import OptbuildError
from variants._spec import compose

KEEP_ALIVE_S = 5  # BentoML's default

EVERYTHING = "onnx+quantized+batching+workers=2+replicas=2+limits:cpu=1500m,memory=1Gi"
SPECS = ("baseline", "onnx+replicas=3", "onnx+limits:cpu=500m,memory=512Mi", EVERYTHING)

# The package carries the newer ones only. All that we write is stable since 1.21, and stable
# fields stay: what both ends accept, those in between accept.
OLDEST = json.loads((Path(__file__).parent / "kubernetes-1.21.json").read_text())
VERSIONS = kubernetes_validate.utils.all_versions()


def release(spec: str = EVERYTHING, hpa_max: int | None = 4, image: str = "sentiment:1") -> Release:
    return Release("classifier", image, compose(spec), hpa_max)


def only(kind: str, given: Release) -> Any:
    (found,) = [item for item in objects(given) if item["kind"] == kind]
    return found


def container(given: Release) -> Any:
    (found,) = only("Deployment", given)["spec"]["template"]["spec"]["containers"]
    return found


def validate_oldest(item: Object) -> None:
    schema = {**OLDEST["kinds"][item["kind"]], "definitions": OLDEST["definitions"]}
    jsonschema.Draft4Validator(schema).validate(item)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_in_this_kubernetes(version: str) -> None:
    for item in [*objects(release()), only("Deployment", release("baseline"))]:
        kubernetes_validate.utils.validate(item, version, strict=True)


@pytest.mark.parametrize("spec", SPECS)
def test_every_object_is_valid_in_kubernetes_1_21(spec: str) -> None:
    for item in objects(release(spec)):
        validate_oldest(item)


def test_the_schemas_notice_a_field_that_does_not_exist() -> None:
    wrong = copy.deepcopy(only("Deployment", release()))
    wrong["spec"]["template"]["spec"]["containers"][0]["livelinessProbe"] = {}
    with pytest.raises(jsonschema.ValidationError):
        validate_oldest(wrong)
    with pytest.raises(jsonschema.ValidationError):
        kubernetes_validate.utils.validate(wrong, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("spec", SPECS)
def test_rendering_twice_gives_the_same_text(spec: str) -> None:
    assert to_yaml(objects(release(spec))) == to_yaml(objects(release(spec)))
    assert list(yaml.safe_load_all(to_yaml(objects(release(spec))))) == objects(release(spec))


@pytest.mark.parametrize("spec", SPECS)
def test_an_overlay_over_the_base_is_what_the_dry_run_prints(spec: str, tmp_path: Path) -> None:
    overlay = write(release(spec), tmp_path)
    kustomization = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    added = [
        yaml.safe_load((overlay / file).read_text()) for file in kustomization["resources"][1:]
    ]
    patches = [
        yaml.safe_load((overlay / patch["path"]).read_text()) for patch in kustomization["patches"]
    ]
    base = overlay / kustomization["resources"][0]
    names = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    merged = []
    for item in [yaml.safe_load((base / name).read_text()) for name in names]:
        (patch,) = [p for p in patches if p["kind"] == item["kind"]] or [{}]
        merged.append(merge(item, patch))
    assert by_kind(merged + added) == by_kind(objects(release(spec)))


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")
@pytest.mark.parametrize("spec", [SPECS[0], EVERYTHING])
def test_kustomize_itself_makes_the_same_of_it(spec: str, tmp_path: Path) -> None:
    overlay = write(release(spec), tmp_path)
    done = subprocess.run(
        ["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=True
    )
    built = by_kind(list(yaml.safe_load_all(done.stdout)))
    assert sorted_by_name(built) == sorted_by_name(by_kind(objects(release(spec))))


def by_kind(items: list[Object]) -> dict[str, Object]:
    return {item["kind"]: item for item in items}


def sorted_by_name(value: Any) -> Any:
    """Named lists in one order: kustomize puts a patch's first, and Kubernetes does not care."""
    if isinstance(value, dict):
        return {key: sorted_by_name(item) for key, item in value.items()}
    if isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value):
        return sorted(map(sorted_by_name, value), key=lambda one: str(one["name"]))
    return value


def test_the_base_is_the_same_for_every_variant_and_overlays_stay(tmp_path: Path) -> None:
    first = write(release("baseline"), tmp_path)
    base = {path.name: path.read_text() for path in (tmp_path / "base").iterdir()}
    second = write(release(EVERYTHING), tmp_path)
    assert {path.name: path.read_text() for path in (tmp_path / "base").iterdir()} == base
    assert first != second
    assert (first / "kustomization.yaml").exists()


def test_a_folder_of_another_release_is_left_alone(tmp_path: Path) -> None:
    write(release(), tmp_path)
    with pytest.raises(OptbuildError, match="choose another --out, or --name classifier"):
        write(Release("other", "sentiment:1", compose("baseline")), tmp_path)


def test_nobody_is_cut_off_by_a_rolling_update() -> None:
    spec = only("Deployment", release())["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    pod = spec["template"]["spec"]
    (*_, script) = container(release())["lifecycle"]["preStop"]["exec"]["command"]
    sleep_s = int(script.rpartition(" ")[2])
    assert pod["terminationGracePeriodSeconds"] > sleep_s + DEADLINE_S
    # Whoever holds a connection hears of it, or it has been silent for long and is closed.
    env = {one["name"]: one["value"] for one in container(release())["env"]}
    assert script.startswith(f"touch {env[FILE_VARIABLE]}; ")
    assert sleep_s > KEEP_ALIVE_S + LOOK_S
    assert pod["enableServiceLinks"] is False


def test_a_pod_may_do_little() -> None:
    pod = only("Deployment", release())["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 1034
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container(release())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_what_the_server_writes_goes_to_a_volume() -> None:
    env = {one["name"]: one["value"] for one in container(release())["env"]}
    mounts = {mount["mountPath"] for mount in container(release())["volumeMounts"]}
    assert mounts == {"/tmp", env["HOME"]}
    assert Path(env["HOME"]) in Path(env["BENTOML_HOME"]).parents


@pytest.mark.parametrize(
    ("spec", "threads", "requests", "limits"),
    [
        ("baseline", None, {"cpu": "500m", "memory": "512Mi"}, None),
        (
            "onnx+limits:cpu=2,memory=1Gi",
            "2",
            {"cpu": "1", "memory": "1Gi"},
            {"cpu": "2", "memory": "1Gi"},
        ),
        (
            "onnx+workers=2+limits:cpu=1500m,memory=512Mi",
            "1",
            {"cpu": "750m", "memory": "512Mi"},
            {"cpu": "1500m", "memory": "512Mi"},
        ),
    ],
)
def test_limits_decide_resources_and_threads(
    spec: str, threads: str | None, requests: Object, limits: Object | None
) -> None:
    found = container(release(spec))
    assert found["resources"].get("limits") == limits
    assert found["resources"]["requests"] == requests
    env = {one["name"]: one["value"] for one in found["env"]}
    assert env.get(ENVIRONMENT) == threads


def test_with_several_workers_a_dead_one_restarts_the_container() -> None:
    assert container(release("onnx"))["livenessProbe"]["httpGet"]["path"] == "/livez"
    several = container(release("onnx+workers=2"))["livenessProbe"]
    assert several["httpGet"]["path"] == "/readyz"
    assert several["failureThreshold"] == 6


def test_more_replicas_of_the_same_leave_the_pods_alone() -> None:
    one, three = (only("Deployment", release(f"onnx+replicas={n}", None)) for n in (1, 3))
    assert one["spec"]["template"] == three["spec"]["template"]
    assert (one["spec"]["replicas"], three["spec"]["replicas"]) == (1, 3)


def test_an_autoscaler_decides_the_replicas_itself() -> None:
    assert "replicas" not in only("Deployment", release())["spec"]
    scaler = only("HorizontalPodAutoscaler", release())["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 4)
    # 70% of the limit; usage is measured against the request, which is half of it.
    assert scaler["targetCPUUtilizationPercentage"] == 140


@pytest.mark.parametrize(
    ("image", "version"),
    [("sentiment:1", "1"), ("host:5000/a/b", "latest"), ("a/b@sha256:00", "latest")],
)
def test_the_version_is_the_image_s_tag(image: str, version: str) -> None:
    labels = only("Deployment", release(image=image))["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == version


@pytest.mark.parametrize(
    ("name", "image", "hpa_max", "remedy"),
    [
        ("Classifier", "a:1", None, "small letters"),
        ("a" * 51, "a:1", None, "up to 50"),
        ("classifier", "", None, "give --image NAME:TAG"),
        ("classifier", "a b", None, "give --image NAME:TAG"),
        ("classifier", "a:1", 1, "give at least 2"),
    ],
)
def test_a_release_that_kubernetes_would_refuse(
    name: str, image: str, hpa_max: int | None, remedy: str
) -> None:
    with pytest.raises(OptbuildError, match=remedy):
        Release(name, image, compose("onnx+replicas=2"), hpa_max)


def test_merging_changes_neither_side() -> None:
    base = {"a": {"x": 1}, "list": [{"name": "n", "v": 1}], "gone": 1, "plain": [1, 2]}
    patch = {"a": {"y": 2}, "list": [{"name": "n", "w": 2}], "gone": None, "plain": [3]}
    before = copy.deepcopy((base, patch))
    assert merge(base, patch) == {
        "a": {"x": 1, "y": 2},
        "list": [{"name": "n", "v": 1, "w": 2}],
        "plain": [3],
    }
    assert (base, patch) == before
