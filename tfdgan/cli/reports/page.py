"""The page: its sections, in the order in which a stranger asks."""

import time
from collections.abc import Iterable, Sequence

from tfdgan.cli.reports import charts, flags, headline, samples, scores
from tfdgan.cli.reports.charts import Chart
from tfdgan.cli.reports.markup import Markup, element, escaped, facts, joined, number, table
from tfdgan.cli.reports.run import Run
from tfdgan.cli.reports.samples import Picture
from tfdgan.cli.reports.style import CSS

_ENVIRONMENT = {
    **{"tfdgan": "tfdgan", "tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy", "horovod": "Horovod"},
    **{"python": "Python", "system": "System", "processor": "Processor"},
}


def html(run: Run) -> str:
    """The whole page about a run."""
    sections = {
        "samples": ("Samples", _samples(run)),
        "curves": ("Curves", _curves(run)),
        "scores": ("Scores", _scores(run)),
        "network": ("Network", _network(run)),
        "checkpoints": ("Checkpoints", _checkpoints(run)),
        "flags": ("Flags", flags.section(run)),
        "environment": ("Environment", _environment(run)),
    }
    there = {name: section for name, section in sections.items() if section[1]}
    links = element("nav", *(element("a", title, href=f"#{name}") for name, (title, _) in there.items()))
    body = [element("section", element("h2", title), content, id=name) for name, (title, content) in there.items()]
    head = joined(
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", headline.title(run)),
            element("style", Markup(CSS)),
        ],
        "\n",
    )
    made = element("footer", f"Written by tfdgan.report, {_moment(time.time())}.")
    content = joined([headline.section(run), links, *body, made], "\n")
    return f"<!DOCTYPE html>\n{element('html', element('head', head), element('body', content), lang='en')}\n"


def _samples(run: Run) -> Markup:
    pictures, text = samples.pictures(run.workdir), samples.text(run.workdir)
    if pictures:
        *small, last = pictures
        row = element("div", *(_figure(picture) for picture in small), class_="samples") if small else Markup()
        return joined([row, element("div", _figure(last), class_="last")])
    if text:
        lines = element("pre", "\n".join(text.lines))
        return joined([element("p", f"Step {text.step:,}, the last that has samples:", class_="soft"), lines])
    return element("p", "The run has left no samples so far (--eval_every says how often it does).", class_="soft")


def _figure(picture: Picture) -> Markup:
    said = f"generated samples after {picture.step:,} steps"
    image = element("img", src=picture.source, alt=said, width=picture.width, height=picture.height)
    return element("figure", image, element("figcaption", f"step {picture.step:,}"))


def _curves(run: Run) -> Markup:
    found = [
        *charts.of_scores(run.kinds),
        *charts.of_logs(charts.TRAINING, run.curves, run.options.pretraining_steps),
    ]
    if not found:
        return element("p", "Nothing was logged so far.", class_="soft")
    lost = sum(curve.left_out for curve in run.curves.values())
    note = f"{lost} logged values were NaN or infinite and are not drawn." if lost else ""
    return joined([_charts(found), element("p", note, class_="soft") if note else Markup()])


def _charts(found: Iterable[Chart]) -> Markup:
    drawn = [
        element("figure", element("h3", chart.title), chart.picture, element("figcaption", chart.good))
        for chart in found
    ]
    return element("div", *drawn, class_="charts") if drawn else Markup()


def _scores(run: Run) -> Markup:
    if not run.kinds:
        return element("p", "There are no scores so far.", class_="soft")
    rows = []
    for kind in run.kinds:
        name = [kind.name, element("div", f"{kind.better} is better", class_="soft") if kind.better else ""]
        best = _score(kind.best) if kind.best else "\N{EN DASH}"
        rows.append((joined(name), best, _score(kind.last), scores.said(kind.signature)))
    note = (
        "Compare only figures of one signature, which says what a figure depends on. Where no best is given, whether "
        "high or low is better depends on the data."
    )
    made = table(("score", "best", "last", "signature"), rows)
    warned = {str(kind.last["signature"]["warning"]) for kind in run.kinds if "warning" in kind.last["signature"]}
    warnings = [element("p", f"Warning of the last scores: {text}") for text in sorted(warned)]
    return joined([element("p", note, class_="soft"), made, *warnings])


def _score(record: scores.Record) -> Markup:
    figure = number(scores.value(record), scores.shown(record))
    return joined([figure, element("div", f"step {record['step']:,}", class_="soft")])


def _network(run: Run) -> Markup:
    def values(name: str) -> Sequence[float]:
        curve = run.curves.get(name)
        return [value for _, value in curve.points] if curve else []

    items = []
    if learners := values("network/learners"):
        low, high = round(min(learners)), round(max(learners))
        if high == 1:  # who has no network
            return Markup()
        items.append(("Learners", f"{low} throughout" if low == high else f"{low} to {high}, at last {learners[-1]:g}"))
    if broken := values("network/reconnections"):
        items.append(("Reconnections", f"{max(broken):g}"))
    if sent := values("network/bytes_a_step"):
        least, most = (f"{bound / 1e6:.4g}" for bound in (min(sent), max(sent)))
        items.append(("MB a learner sends in a step", least if least == most else f"{least} to {most}"))
    found = [*charts.of_logs(charts.NETWORK, run.curves, run.options.pretraining_steps)]
    return joined([facts(items), _charts(found)])


def _checkpoints(run: Run) -> Markup:
    rows = []
    for checkpoint in run.checkpoints:
        manifest = checkpoint.manifest
        learners, distance = "not readable", "not readable"
        if manifest is not None:
            learners = str(manifest["learners"])
            found = manifest.get("consensus_distance")
            distance = f"{found:.3g}" if isinstance(found, (int, float)) else "not recorded"
        size = f"{checkpoint.bytes / 1e6:,.1f}"
        rows.append((f"{checkpoint.step:,}", learners, distance, size, _moment(checkpoint.written)))
    kept = []
    if run.best:
        kept.append(f"The best consensus, of step {run.best['step']:,} by {run.best['name']}: --step=best.")
    if run.has_pretrained:
        kept.append("The end of pretraining: --step=pretrained.")
    if not rows and not kept:
        return element("p", "There is none so far.", class_="soft")
    head = ("step", "learners", "consensus distance", "MB here", "written")
    made = table(head, rows) if rows else element("p", "There is no checkpoint to go on from.", class_="soft")
    return joined([made, *(element("p", f"Kept too: {line}") for line in kept)])


def _environment(run: Run) -> Markup:
    if run.facts is None:
        return element("p", "Not recorded: there is no checkpoint.", class_="soft")
    source, manifest = run.facts
    items = [(shown, str(manifest.get(name, "not recorded")) or "none") for name, shown in _ENVIRONMENT.items()]
    threads = manifest.get("threads")
    said = "not recorded"
    if isinstance(threads, list) and len(threads) == 2:
        each = [f"{count}" if count else "as many as TensorFlow takes" for count in threads]
        said = f"within an operation: {each[0]}; between operations: {each[1]}"
    items += [("Threads", said), ("Learners", str(manifest.get("learners", "not recorded")))]
    return joined([element("p", f"As {source} says.", class_="soft"), facts(items)])


def _moment(seconds: float) -> Markup:
    return escaped(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds)))
