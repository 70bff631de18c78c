import json
from pathlib import Path

import pytest

from builder import model
from builder.model import resolve
from variants._errors import OptbuildError


def folder_with(folder: Path, **config: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_shape_needs_no_weights_to_be_resolved() -> None:
    found = resolve("synthetic:roberta-base")
    assert (found.kind, found.folder, found.slug) == ("synthetic", None, "synthetic-roberta-base")
    assert found.digest == resolve("synthetic:roberta-base").digest
    assert found.digest != resolve("synthetic:distilroberta-base").digest


def test_the_digest_of_a_folder_follows_its_weights(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path / "my model",
        model_type="roberta",
        architectures=["RobertaForSequenceClassification"],
    )
    (folder / "model.safetensors").write_bytes(b"weights")
    before = resolve(str(folder))
    (folder / "model.safetensors").write_bytes(b"others")
    resolve.cache_clear()
    assert before.name == "my model"
    assert before.slug == "my-model"
    assert resolve(str(folder)).digest != before.digest


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "is a unknown"),
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "only sequence classif"),
        ({"model_type": "roberta", "architectures": ["RobertaForMaskedLM"]}, "only sequence"),
        (
            {
                "model_type": "roberta",
                "architectures": ["RobertaForSequenceClassification"],
                "problem_type": "multi_label_classification",
            },
            "only one label",
        ),
        (
            {"model_type": "roberta", "architectures": ["RobertaForSequenceClassification"]},
            "put model.safetensors beside",
        ),
    ],
)
def test_a_folder_that_cannot_be_built_says_why(
    tmp_path: Path, config: dict[str, object], said: str
) -> None:
    with pytest.raises(OptbuildError, match=said):
        resolve(str(folder_with(tmp_path / "m", **config)))


def test_a_config_that_is_no_object_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(OptbuildError, match=r"config\.json holds no object"):
        resolve(str(tmp_path))


def test_a_regression_is_refused(tmp_path: Path) -> None:
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}
    for number, one in enumerate([{"id2label": {"0": "LABEL_0"}}, {"num_labels": 1}]):
        with pytest.raises(OptbuildError, match="two or more"):
            resolve(str(folder_with(tmp_path / str(number), **config, **one)))


def test_other_mistakes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptbuildError, match="give the folder"):
        resolve(str(tmp_path / "file"))
    with pytest.raises(OptbuildError, match=r"config\.json"):
        resolve(str(tmp_path))
    with pytest.raises(OptbuildError, match="give a folder, a hub id"):
        resolve("no-such-thing")
    with pytest.raises(OptbuildError, match="known are roberta-base"):
        resolve("synthetic:llama")


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("name resolution failed\nat length")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(OptbuildError, match="check the name and the network") as caught:
        resolve("cardiffnlp/twitter-roberta-base-sentiment-latest")
    assert "\n" not in str(caught.value)


def test_a_hub_model_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    folder = folder_with(
        tmp_path / "snapshot",
        model_type="roberta",
        architectures=["RobertaForSequenceClassification"],
    )
    asked = []

    def download(repository: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        if "pytorch_model*.bin" in allow_patterns:
            (folder / "pytorch_model.bin").write_bytes(b"weights")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    found = model.resolve("org/name")
    assert (found.kind, found.slug, found.folder) == ("hub", "org-name", folder)
    # Only where there are no safetensors is the older format fetched.
    assert len(asked) == 2
