"""What a `Config` may hold: single values, values beside each other, flags that mean nothing beside others."""

import math

from tfdgan import factories
from tfdgan.errors import UserError
from tfdgan.gossip import MOST_ROUNDS, topology

TASKS = ("image", "text", "style_transfer")
DATASETS = ("gaussians", "digits", "given")  # given: passed in from Python
SENTENCES = {"text": ("oracle", "coco_captions"), "style_transfer": ("toy_styles",)}  # and file:...
MODELS = {
    "image": ("dcgan", "resnet", "ct_resnet", "sagan", "mlp", "given"),
    "text": ("relational_memory", "lstm"),
    "style_transfer": ("style_transfer",),
}
_MOST_TOYS = 12_000  # sentences of toy_styles: its grammar has some 31,000
_OF_SENTENCES = {
    *("sentence_length", "vocabulary_size", "vocabulary", "corpus_size", "embedding_size"),
    *("inverse_temperature", "temperature_schedule"),
}
_OF_TEXT = {"memory_slots", "memory_heads", "representations"}
_OF_STYLES = {
    *("references", "style_size", "dropout", "score_weight", "style_weight", "style_weight_d", "content_weight"),
    "invariance_weight",
}
_OF_IMAGES = {"image_size", "latent_size", "spectral_normalization"}
_RATIO = {"clip_mode", "clip_epsilon", "center_scores", "learning_rate_c", "clip_norm_c"}
_CLIPPED_RATIO = {*_RATIO, "ratio_clipping", "sample_reweighting", "reweighting_temperature", "generator_steps"}


def unused(config):
    """Names of flags, changed or not, that mean nothing beside the others."""
    found = set()
    if not config.gossips:
        found |= {"topology", "random_mixing", "gossip_rounds", "mix_after", "gossip_backend"}
        found |= {"wire_dtype"} if config.strategy == "local" else set()
        found |= {"mix_every", "mix_delay", "chebyshev", "compression"}
    if not config.gossips or config.gossip_backend not in ("auto", "native"):
        found |= {"gossip_timeout", "on_peer_loss", "link_mbit"}
    if not config.gossips or config.compression == "none":
        found |= {"consensus_rate"}
    if not config.gossips or config.compression != "top_k":
        found |= {"top_fraction"}
    if config.optimizer == "sgd":
        found |= {"beta_1", "beta_2"}
    found |= _unused_by_task(config)
    if config.model != "resnet" and not factories.is_reference(config.model):
        found |= {"spectral_normalization"}
    if config.model == "given":
        found |= {"width_g", "width_d"}
    if not config.gradient_penalty:
        found |= {"penalty"}
    if config.model == "mlp" or config.dataset == "given" or factories.is_reference(config.dataset):
        found |= {"image_size"}
    known = (*DATASETS, "oracle", "toy_styles")
    if config.dataset in known or config.dataset.startswith(("folder:", "file:")):
        found |= {"data_dir"}
    elif factories.is_reference(config.dataset):
        found |= {"data_dir"}
    if config.trainer != "clipped_ratio":
        found |= _CLIPPED_RATIO
    if not config.ratio_clipping:
        found |= _RATIO
    if not config.sample_reweighting:
        found |= {"reweighting_temperature"}
    return found


def _unused_by_task(config):
    if config.task == "image":
        return {*_OF_SENTENCES, *_OF_TEXT, *_OF_STYLES, "learning_rate_p"}
    found = _OF_IMAGES | (_OF_STYLES if config.task == "text" else _OF_TEXT)
    if config.dataset in ("oracle", "toy_styles"):
        found |= {"vocabulary"} if config.dataset == "oracle" else set()
    else:
        found |= {"corpus_size"}
    if config.vocabulary and config.dataset != "oracle":
        found |= {"vocabulary_size"}
    if config.model == "lstm":
        found |= {"memory_slots", "memory_heads"}
    if not config.pretraining_steps:
        found |= {"learning_rate_p"}
    if config.inverse_temperature == 1:
        found |= {"temperature_schedule"}
    return found


def check_value(field, value):
    rules, name = field.metadata, field.name
    if field.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not field.type:
        raise UserError(f"--{name}={value!r}: must be of type {field.type.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{name}={value}: must be finite")
    if rules["choices"] and value not in rules["choices"]:
        raise UserError(f"--{name}={value}: choose one of {', '.join(rules['choices'])}")
    for rule, fails, words in (
        ("minimum", lambda v, bound: v < bound, "at least"),
        ("above", lambda v, bound: v <= bound, "above"),
        ("below", lambda v, bound: v >= bound, "below"),
    ):
        if rules[rule] is not None and fails(value, rules[rule]):
            raise UserError(f"--{name}={value}: must be {words} {rules[rule]}")


def check_names(config):
    models = MODELS[config.task]
    if config.model not in models:
        if not factories.is_reference(config.model):
            task = "" if config.task == "image" else f" for --task={config.task}"
            raise UserError(
                f"--model={config.model}: choose one of {', '.join(models)}, or package.module:factory{task}"
            )
        factories.check("model", config.model)
    _check_dataset(config)
    if config.task == "image" and factories.is_reference(config.dataset):
        factories.check("dataset", config.dataset)
    if config.topology not in topology.NAMES and not config.topology.endswith(".npy"):
        raise UserError(f"--topology={config.topology}: choose one of {', '.join(topology.NAMES)}, or a .npy file")


def _check_dataset(config):
    """Raise `UserError` if the data is for another task."""
    if config.task == "image":
        own = [task for task, names in SENTENCES.items() if config.dataset in names]
        tasks = list(SENTENCES) if config.dataset.startswith("file:") else own
        if tasks:
            other = f"images, or --task={' or --task='.join(tasks)}"
            raise UserError(f"--dataset={config.dataset}: not for --task=image; give {other}")
        return
    names = SENTENCES[config.task]
    if config.dataset not in names and not config.dataset.startswith("file:"):
        other = f"{', '.join(names)} or file:{'PATH' if config.task == 'text' else 'PREFIX'}"
        raise UserError(f"--dataset={config.dataset}: not for --task={config.task}; give {other}")


def check_combinations(config):
    _check_task(config)
    if config.gossip_rounds > MOST_ROUNDS:
        raise UserError(f"--gossip_rounds={config.gossip_rounds}: must be at most {MOST_ROUNDS}")
    if config.on_peer_loss == "degrade" and config.gossip_backend not in ("auto", "native"):
        raise UserError(
            f"--on_peer_loss=degrade: Horovod ends with any learner, so --gossip_backend={config.gossip_backend} "
            "cannot go on without one; use native"
        )
    if config.image_size & (config.image_size - 1):
        raise UserError(f"--image_size={config.image_size}: must be a power of two")
    if config.model == "mlp" and config.dataset not in DATASETS and not factories.is_reference(config.dataset):
        raise UserError(
            f"--model=mlp: made for gaussians, digits and your own data, not for --dataset={config.dataset}"
        )
    if config.consistency and config.model in ("dcgan", "resnet", "sagan", "mlp"):
        raise UserError(
            f"--consistency={config.consistency:g}: --model={config.model} has no dropout and no layer called "
            "features; use --model=ct_resnet"
        )
    if config.eval_samples == 1:
        raise UserError("--eval_samples=1: a score needs at least 2")
    if config.precision != "float32" and config.model == "given":
        raise UserError(
            f"--precision={config.precision}: models passed in from Python are built already; build them under "
            "keras.config.set_dtype_policy"
        )
    if config.conditional and config.model in ("dcgan", "ct_resnet", "mlp"):
        raise UserError(f"--conditional: --model={config.model} takes no labels; use resnet, sagan or your own")
    if config.inception and config.dataset == "gaussians":
        raise UserError(f"--inception={config.inception}: scores images, not --dataset=gaussians; leave it out")
    if (
        config.model not in ("mlp", "given")
        and config.dataset == "gaussians"
        and not factories.is_reference(config.model)
    ):
        raise UserError(f"--model={config.model}: made for images, not for --dataset=gaussians; use --model=mlp")
    _check_mixing(config)
    if config.strategy == "dposg":
        wanted = dict(trainer="adversarial", optimizer="sgd", critic_steps=1, update="simultaneous", mix_after="step")
        wanted |= dict(mix_delay=0, compression="none")
        wanted |= dict(pretraining_steps=0, clip_norm=0.0)
        _check_wanted(config, "--strategy=dposg: has its own optimistic step", wanted)
    if config.trainer == "clipped_ratio":
        if config.objective not in ("wasserstein", "relativistic"):
            raise UserError(
                f"--objective={config.objective}: --trainer=clipped_ratio multiplies scores; use wasserstein or "
                "relativistic"
            )
        _check_wanted(config, "--trainer=clipped_ratio: has its critic first", dict(update="alternating"))
        if config.ratio_clipping and config.mix_after != "step":
            raise UserError(
                f"--mix_after={config.mix_after}: would mix the classifier in the middle of a ratio; use step, or "
                "--noratio_clipping"
            )


def _check_mixing(config):
    if config.strategy == "centralized" and config.wire_dtype == "bfloat16":
        raise UserError("--wire_dtype=bfloat16: Horovod cannot add these; use float16 with --strategy=centralized")
    if not config.gossips:
        return
    if config.chebyshev and config.gossip_rounds < 2:
        raise UserError(
            f"--chebyshev: weighs several rounds; --gossip_rounds={config.gossip_rounds} must be at least 2"
        )
    if config.chebyshev:
        _check_wanted(config, "--chebyshev: its factors enlarge what rounding loses", dict(wire_dtype="float32"))
    for name, off in (("mix_delay", 0), ("compression", "none")):
        value = getattr(config, name)
        if value == off:
            continue
        if config.gossip_backend not in ("auto", "native"):
            raise UserError(
                f"--{name}={value}: needs the native exchange, not --gossip_backend={config.gossip_backend}"
            )
        _check_wanted(config, f"--{name}={value}: mixes once a step", dict(mix_after="step"))
    if config.compression != "none":
        wanted = dict(random_mixing=False, mix_every=1, mix_delay=0, gossip_rounds=1, wire_dtype="float32")
        why = f"--compression={config.compression}: keeps what fixed neighbours know, from the first step on"
        _check_wanted(config, why, wanted | dict(on_peer_loss="fail", pretraining_steps=0))


def _check_task(config):
    if config.pretraining_steps >= config.steps:
        raise UserError(
            f"--pretraining_steps={config.pretraining_steps}: leaves no step to the game; --steps={config.steps} "
            "counts both"
        )
    if config.task == "image":
        if config.pretraining_steps:
            raise UserError(
                f"--pretraining_steps={config.pretraining_steps}: only sentences are pretrained (--task=text, "
                "--task=style_transfer)"
            )
        return
    task = f"--task={config.task}"
    _check_wanted(config, f"{task}: has no images", dict(consistency=0.0, inception=""))
    least = 2 if config.dataset == "oracle" else 3  # END, [UNK] and a word
    if config.vocabulary_size < least and (config.dataset == "oracle" or config.vocabulary_size):
        raise UserError(f"--vocabulary_size={config.vocabulary_size}: must be at least {least}")
    if config.task == "text":
        _check_wanted(config, f"{task}: has sentences without labels", dict(conditional=False, partition="iid"))
        return
    _check_wanted(
        config,
        f"{task}: has a critic of styles beside scores",
        dict(trainer="clipped_ratio", objective="wasserstein"),
    )
    _check_wanted(config, f"{task}: has styles for labels", dict(conditional=False))
    if config.style_size >= config.width_g:
        raise UserError(
            f"--style_size={config.style_size}: leaves no room for content in --width_g={config.width_g}; give less"
        )
    if config.dataset == "toy_styles" and config.corpus_size > _MOST_TOYS:
        raise UserError(f"--corpus_size={config.corpus_size}: toy_styles has at most {_MOST_TOYS:,} in a style")


def _check_wanted(config, why, wanted):
    for name, value in wanted.items():
        here = getattr(config, name)
        if here != value:
            if not value:
                raise UserError(f"{why}; leave --{name}{'' if here is True else f'={here}'} out")
            raise UserError(f"{why} and needs --{name}={value}, not {here}")
