"""What TensorBoard shows of a run at first sight: the charts that matter, and what each scalar says."""

import re

from tensorboard.plugins.custom_scalar import layout_pb2

_CHARTS = {  # patterns of tags, which otherwise match longer tags too
    "scores": ["score/.*"],
    "losses": ["loss/critic$", "loss/generator$", "loss/likelihood$"],
    "consensus distance": ["consensus/distance$", "consensus/distance_exact$"],
    "seconds a step": ["time/step$", "time/waiting$"],
    "share of a step spent waiting": ["time/waiting_share$"],
}

MEANINGS = {
    "classifier/accuracy": "how often the ratio's classifier C tells real samples from generated ones; .5 is chance",
    "consensus/distance": "how far learners' weights are from their mean: sqrt(mean_i |w_i - mean_j w_j|^2), estimated",
    "consensus/distance_exact": "the same, of all weights, where checkpoints or scores are made",
    "content/distance": "1 - cos between the content codes of a sentence and of the rewritten one",
    "content/told": "how well the style can be told from the content code; the rewriter is to keep this low",
    "critic/mean_score": "the critic's mean score of generated samples",
    "gradient_norm/classifier": "norm of C's gradient, before it is cut",
    "gradient_norm/critic": "norm of the critic's gradient, before it is cut",
    "gradient_norm/generator": "norm of the generator's gradient, before it is cut",
    "gradient_variance/plain": "variance over batches of the critic's gradient, samples counting alike",
    "gradient_variance/reweighted": "the same with the run's weights of samples; by temperature 1 where it has none",
    "loss/classifier": "cross-entropy of the ratio's classifier C",
    "loss/critic": "the critic's loss, of Wasserstein's objective minus the estimated distance",
    "loss/critic_spread": "the largest minus the smallest of the learners' losses",
    "loss/generator": "the generator's loss; says little by itself, since the critic moves",
    "loss/generator_spread": "the largest minus the smallest of the learners' losses",
    "loss/gradient_penalty": "the penalty on the critic's slope, before its weight; near 0 where the constraint holds",
    "loss/likelihood": "cross-entropy a word in pretraining",
    "loss/reconstruction": "cross-entropy a word of repeating a sentence",
    "network/bytes_a_step": "bytes that a learner sends in a step",
    "network/learners": "learners that take part",
    "network/reconnections": "connections that broke and came back since the start",
    "ratio/clip_fraction": "share of samples whose ratio is outside of 1 - e to 1 + e",
    "ratio/max": "the largest ratio of a step",
    "ratio/mean": "mean of the generator's new density over its old one",
    "reweighting/effective_sample_size": "1 / sum w^2 of the samples' weights w",
    "reweighting/effective_share": "the effective sample size, as a share of the batch; below .5 the weights hurt",
    "speed/samples_per_second": "real samples a second that all learners read",
    "style/accuracy": "how often the critic finds the wanted style in rewritten sentences",
    "time/step": "seconds a step, mean over learners",
    "time/waiting": "seconds of a step in which a learner waits for others",
    "time/waiting_share": "the same, as a share of the step",
}


def score_tag(name: str) -> str:
    """The tag of a score: TensorBoard's custom scalars draw nothing of a tag that has brackets.

    Of "FD (digits_classifier)": "score/FD digits_classifier".
    """
    return f"score/{re.sub('[()]', '', name)}"


def layout() -> layout_pb2.Layout:
    """The layout of TensorBoard's tab "Custom scalars": five charts, the scores' first."""
    charts = [
        layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
        for title, tags in _CHARTS.items()
    ]
    return layout_pb2.Layout(category=[layout_pb2.Category(title="what matters", chart=charts)])


def guide() -> str:
    """A page for the tab "Text", in Markdown: what each scalar says, and each image."""
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in MEANINGS.items())
    return (
        "Figures are means over all learners and over the steps since the last tick. `score/...` has each score's "
        f"signature as its description.\n\n| scalar | what it says |\n|---|---|\n{rows}\n\n"
        "Images: `samples`, what the consensus makes of fixed inputs; `learners`, of a run of several, what the\n"
        "consensus and each of the first eight learners make of the same few inputs. Where they agree, all look "
        "alike.\n"
    )
