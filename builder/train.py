"""Trains the bundled model from scratch: `python -m builder.train`, half an hour on 2 cores."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import torch
from rich.console import Console
from tokenizers import Tokenizer
from transformers import RobertaConfig, RobertaForSequenceClassification

from builder._train_card import Score, TrainingFacts, score, write_card, write_metrics
from builder._train_classify import Checkpoint, classify, predict
from builder._train_data import SOURCES, label, reviews_of
from builder._train_scratch import keep_best, pretrained, publish
from builder._train_settings import Settings
from builder._train_tokens import train_tokenizer
from variants._errors import OptbuildError

BUNDLED = Path(__file__).parent / "bundled"


def train(
    settings: Settings, out: Path, scratch: Path, console: Console, limit: int | None = None
) -> tuple[Score, ...]:
    """Trains, writes the model with its card into `out` and returns its test accuracies.

    `scratch` keeps the pre-trained encoder and the best checkpoint, so that a stopped training
    loses one stage at most; a finished pre-training of equal settings found there is not repeated.
    `limit` takes that many texts of each source and label.
    """
    started_s = time.monotonic()
    reviews = reviews_of("train", limit)
    tokenizer = train_tokenizer([review.text for review in reviews], settings.shape.vocabulary)
    data = label(tokenizer, reviews)
    config = roberta_config(settings, tokenizer.get_vocab_size())
    validation = label(tokenizer, reviews_of("validation", limit))
    prepared_s = time.monotonic() - started_s
    stage = pretrained(config, data.ids, settings, limit, scratch, console)

    started_s = time.monotonic()
    torch.manual_seed(settings.seed)
    config.hidden_dropout_prob = settings.classification.dropout
    model = RobertaForSequenceClassification(config)
    model.roberta.load_state_dict(stage.model.roberta.state_dict())
    checkpoints: list[Checkpoint] = []
    for checkpoint in classify(model, data, validation, settings, console):
        checkpoints.append(checkpoint)
        console.print(f"step {checkpoint.step}, validation: {_percentages(checkpoint)}")
        if checkpoint.score == max(c.score for c in checkpoints):
            keep_best(model, tokenizer, settings, scratch)
    publish(scratch, out)
    facts = TrainingFacts(
        settings, tuple(checkpoints), prepared_s + stage.wall_s, time.monotonic() - started_s
    )
    scores = evaluate(out, limit)
    write_metrics(out, facts, scores)
    write_card(out)
    return scores


def evaluate(folder: Path, limit: int | None = None) -> tuple[Score, ...]:
    """Test accuracy of a saved model on each source, in fp32 from its fp16 weights."""
    if not (folder / "model.safetensors").is_file():
        raise OptbuildError(f"{folder} holds no model.safetensors: train one with --out {folder}")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = RobertaForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    test = label(tokenizer, reviews_of("test", limit))
    scores = []
    for source in SOURCES:
        part = test.of_source(source)
        guesses = predict(model, part.ids, Settings().shape.max_tokens).argmax(axis=1)
        scores.append(score(source, int((guesses == part.labels).sum()), len(part)))
    return tuple(scores)


def roberta_config(settings: Settings, vocabulary: int) -> RobertaConfig:
    """RoBERTa's configuration in our size, without dropout."""
    shape = settings.shape
    return RobertaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.max_tokens + 2,  # RoBERTa's positions start at 2
        type_vocab_size=1,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,  # dropout inside attention costs a third of the speed
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
        attn_implementation="sdpa",
    )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=BUNDLED, help="Where it goes.")
@click.option("--scratch", type=click.Path(path_type=Path), help="Checkpoints [OUT.scratch].")
@click.option("--seed", default=Settings().seed, show_default=True)
@click.option("--threads", default=2, show_default=True, help="The result depends on it a little.")
@click.option("--mlm-epochs", default=Settings().pretraining.epochs, show_default=True)
@click.option("--epochs", default=Settings().classification.epochs, show_default=True)
@click.option("--limit", type=click.IntRange(min=4), help="Texts of each source and label.")
@click.option("--evaluate", "folder", type=click.Path(path_type=Path), help="Only test this model.")
def main(
    out: Path,
    scratch: Path | None,
    seed: int,
    threads: int,
    mlm_epochs: float,
    epochs: float,
    limit: int | None,
    folder: Path | None,
) -> None:
    """Train the bundled sentiment model from scratch on the movie reviews.

    Example: python -m builder.train --evaluate builder/bundled
    """
    torch.set_num_threads(threads)
    defaults = Settings()
    settings = replace(
        defaults,
        seed=seed,
        pretraining=replace(defaults.pretraining, epochs=mlm_epochs),
        classification=replace(defaults.classification, epochs=epochs),
    )
    try:
        if folder is not None:
            scores = evaluate(folder, limit)
        else:
            scratch = scratch or out.with_name(out.name + ".scratch")
            scores = train(settings, out, scratch, Console(), limit)
    except OptbuildError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    for line in scores:
        click.echo(str(line))


def _percentages(checkpoint: Checkpoint) -> str:
    return ", ".join(f"{source} {value:.1%}" for source, value in checkpoint.accuracy.items())


if __name__ == "__main__":
    main()
