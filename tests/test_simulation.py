"""tools/simulate.py: learners against known answers and hand loops, and the command."""

import dataclasses

import numpy as np
import pytest

from tfdgan.errors import UserError
from tfdgan.gossip import topology
from tools import simulate
from tools.simulation import (
    claims,
    convergence,
    cost_model,
    exchanges,
    games,
    learners,
    mixing,
    rules,
    setups,
    study,
    timing,
)
from tools.simulation.gaussians import GaussiansGame


def play(method, size, steps, setup="ring", game="bilinear", pairs=1, rate=0.1, exchange=None, **options):
    made = games.make(game, size, pairs=pairs, **options)
    setup = setups.parse(setup)
    exchange = exchange or setup.exchange(size)
    return learners.simulate(made, learners.method(method, rate, exchange, setup.centralized), size, steps, every=10)


def refused(function, *arguments, **options):
    """The message of the `UserError`, as the command prints it, which must be one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    assert "\n" not in caught.value.as_flags()
    return caught.value.as_flags()


# Learners.


def test_dposg_converges_where_a_gradient_step_diverges():
    """min_u max_v uv, eight learners on a ring, all from (1, 1): as tests/distributed/test_bilinear_eight.py has it."""
    assert np.linalg.norm(play("dposg", 8, 2000).weights.mean(axis=0)) == pytest.approx(5.56e-5, rel=1e-2)
    assert np.linalg.norm(play("sgd", 8, 2000).weights.mean(axis=0)) > 1e3


def test_dposg_by_hand():
    """Two sequences of three learners with games of their own, one by one."""
    size, eta, mix = 3, 0.1, np.full((3, 3), 1 / 3)
    game = games.make("quadratic", size, pairs=2, heterogeneity=1.0)
    X, last = np.tile(game.start, (size, 1)), np.zeros((size, 4))
    for _ in range(5):
        last = game.gradient(mix @ X - eta * last, None)
        X = mix @ X - eta * last
    trace = play("dposg", size, 5, game="quadratic", pairs=2, rate=eta, heterogeneity=1.0)
    np.testing.assert_allclose(trace.weights, X, atol=1e-14)


def test_dp_oadam_against_a_loop_over_learners():
    size, steps, lr, b1, b2, eps = 3, 7, 0.02, 0.5, 0.9, 1e-8
    W = np.full((3, 3), 1 / 3)  # a ring of three
    game = games.make("quadratic", size, pairs=1, heterogeneity=1.0)
    w = [game.start.copy() for _ in range(size)]
    m, v, d = ([np.zeros(2) for _ in range(size)] for _ in range(3))
    for t in range(1, steps + 1):
        gradients = game.gradient(np.array(w), None)
        moved = []
        for i in range(size):
            m[i] = b1 * m[i] + (1 - b1) * gradients[i]
            v[i] = b2 * v[i] + (1 - b2) * gradients[i] ** 2
            new = (m[i] / (1 - b1**t)) / (np.sqrt(v[i] / (1 - b2**t)) + eps)
            d[i], before = new, new if t == 1 else d[i]
            moved.append(sum(W[i, j] * w[j] for j in range(size)) - 2 * lr * new + lr * before)
        w = moved
    trace = play("oadam", size, steps, game="quadratic", rate=lr, heterogeneity=1.0)
    np.testing.assert_allclose(trace.weights, np.array(w), rtol=1e-12)
    assert trace.consensus[-1] == pytest.approx(np.sqrt(np.mean(np.sum((w - np.mean(w, axis=0)) ** 2, axis=1))))


def test_optimistic_adam_under_a_constant_gradient():
    """From w = 1 with g = 0.5 and lr = 0.1: 0.9, 0.8, 0.7, as optimizers/optimistic_adam.py has it."""
    rule, w = rules.optimistic_adam(0.1, epsilon=1e-12), np.ones((1, 1))
    state = rule.start(w)
    for k, expected in enumerate((0.9, 0.8, 0.7)):
        D, state = rule.step(state, np.full((1, 1), 0.5), k)
        w = w - D
        assert w[0, 0] == pytest.approx(expected)


def test_the_split_batch_by_hand():
    """G = .3, q = .01: v^ = .09 - 3/4 .01 for n = 4; without noise optimistic Adam; of noise alone s / n."""
    for a, b, n, v_hat in ((0.4, 0.2, 4, 0.0825), (0.3, 0.3, 4, 0.09), (0.4, 0.2, 1, 0.09), (1.3, -0.7, 4, 0.25)):
        rule = rules.split_batch(0.1, n, beta_1=0.0)
        D, _ = rule.step(rule.start(np.zeros((1, 1))), np.array([[[a]], [[b]]]), 0)
        assert D.item() == pytest.approx(0.1 * 0.3 / v_hat**0.5, rel=1e-6)


@pytest.mark.parametrize("name", ["quadratic", "gaussians"])
def test_the_halves_of_a_batch_have_its_gradient_as_their_mean(name):
    """And half its variance: the mean square of their difference over 2 is the gradient's."""
    game, random = games.make(name, 400, sigma=0.5, seed=1), np.random.default_rng(0)
    X = np.tile(game.start, (400, 1))
    halves = np.concatenate([game.halves(X, random) for _ in range(10)], axis=1)
    whole = np.concatenate([game.gradient(X, random) for _ in range(10)])
    np.testing.assert_allclose(halves.mean(axis=(0, 1)), whole.mean(axis=0), atol=0.04)
    estimated, seen = np.mean((halves[0] - halves[1]) ** 2 / 4), np.mean(whole.var(axis=0))
    assert estimated == pytest.approx(seen, rel=0.05)


def test_adapt_then_combine_mixes_what_the_step_has_made():
    schedule = topology.make_schedule("ring", 4)
    X, D = np.arange(8.0).reshape(4, 2), np.ones((4, 2)) * np.arange(4)[:, np.newaxis]
    found, _ = setups.parse("ring+after").exchange(4).step(None, X, D, 0)
    np.testing.assert_allclose(found, schedule.matrix(0) @ (X - D))


def test_centralized_learners_stay_equal():
    trace = play("oadam", 8, 50, setup="centralized", game="quadratic", sigma=1.0, heterogeneity=1.0, rate=0.01)
    assert trace.consensus.max() < 1e-12


def test_the_linear_mean_does_not_depend_on_the_topology():
    ends = [
        play("dposg", 8, 60, setup=name, game="quadratic", sigma=0.5).weights.mean(axis=0)
        for name in ("ring", "complete", "random_ring", "one_peer_exponential", "ring+delayed")
    ]
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], atol=1e-12)


# Mixing.


@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("name", ["ring", "one_peer_exponential", "matching", "complete", "star", "exponential"])
def test_mixing_is_the_schedules_matrix(name, rounds, random):
    schedule = mixing.make_schedule(name, 16, random=random, seed=3)
    mix, X = mixing.Mixer(schedule, rounds), np.random.default_rng(0).standard_normal((16, 5))
    for step in range(7):
        np.testing.assert_allclose(mix(X, step), schedule.matrix(step, rounds) @ X, atol=1e-12)


def test_chebyshev_is_the_polynomial():
    schedule = mixing.make_schedule("ring", 16, random=True, seed=2)
    X = np.random.default_rng(0).standard_normal((16, 3))
    W = schedule.matrix(4)
    eigenvalues, vectors = np.linalg.eigh(W)
    smallest, largest = eigenvalues[0], eigenvalues[-2]
    T = np.polynomial.chebyshev.Chebyshev.basis(4)

    def stretched(x):
        return (2 * x - smallest - largest) / (largest - smallest)

    expected = vectors @ np.diag(T(stretched(eigenvalues)) / T(stretched(1))) @ vectors.T @ X
    mixed = mixing.Mixer(schedule, 4, chebyshev=True)(X, 4)
    np.testing.assert_allclose(mixed, expected, atol=1e-10)
    # The worst start is forgotten faster than by four plain rounds; a random one need not be.
    worst = vectors[:, [-2]]
    chebyshev, plain = (np.linalg.norm(mixing.Mixer(schedule, 4, chebyshev=c)(worst, 4)) for c in (True, False))
    assert chebyshev == pytest.approx(1 / T(stretched(1))) and plain == pytest.approx(largest**4)
    assert plain > 1.2 * chebyshev
    assert "symmetric" in refused(mixing.Mixer, mixing.make_schedule("matching", 8), 2, chebyshev=True)


# Variants.


@pytest.mark.parametrize(
    "setup",
    ["ring+delayed", "ring+every=4", "ring+rounds=2", "ring+chebyshev=3", "ring+8bit", "ring+bfloat16", "ring+top=0.3"]
    + ["centralized", "random_ring", "one_peer_exponential", "random_one_peer_exponential+every=3", "star+8bit"],
)
def test_every_setup_converges_on_the_bilinear_game(setup):
    """Each learner's game has an offset of its own, so the learners do differ and have to be brought together."""
    trace = play("osgd", 8, 3000, setup=setup, pairs=5, heterogeneity=0.1)
    assert trace.gradient_norm[0] > 2 and trace.gradient_norm[-1] < 0.02
    assert trace.consensus[-1] < 0.3


def test_delayed_mixing_needs_a_positive_matrix():
    """A ring of even n has the eigenvalue -1/3: its mode grows by sqrt(4/3) a step under W, not under (I + W) / 2."""
    mix = mixing.Mixer(mixing.make_schedule("ring", 8))
    stable, wrong = (
        play("osgd", 8, 600, heterogeneity=0.1, exchange=exchanges.delayed(mix, weight)) for weight in (0.5, 1.0)
    )
    assert stable.consensus[-1] < 0.1 and stable.gradient_norm[-1] < 0.3 * stable.gradient_norm[0]
    assert wrong.consensus[-1] > 1e6


def test_choco_with_everything_sent_is_plain_mixing():
    mix = mixing.Mixer(mixing.make_schedule("ring", 6))
    random = np.random.default_rng(0)
    X, D = random.standard_normal((2, 6, 4))
    moved, known = exchanges.choco(mix, lambda Q: Q, gamma=1.0).step(np.zeros_like(X), X, D, 0)
    np.testing.assert_allclose(moved, mix(X, 0) - D, atol=1e-14)
    np.testing.assert_array_equal(known, X)


def test_compressors_by_hand():
    Q = np.array([[1.0, -127.0, 0.4, 63.6]])
    np.testing.assert_allclose(exchanges.eight_bits(4)(Q), [[1, -127, 0, 64]])
    np.testing.assert_allclose(exchanges.eight_bits(2)(Q)[0, 2:], [0.4, 63.6], atol=0.26)  # a scale for each block
    np.testing.assert_array_equal(exchanges.top_fraction(0.5)(Q), [[0, -127, 0, 63.6]])
    np.testing.assert_array_equal(exchanges.eight_bits()(np.zeros((2, 3))), np.zeros((2, 3)))


def test_sixteen_bits_keep_the_mean():
    X = np.random.default_rng(0).standard_normal((8, 50))
    mix = mixing.Mixer(mixing.make_schedule("ring", 8))
    mixed, _ = exchanges.wire16(mix).step(None, X, 0.0, 0)
    np.testing.assert_allclose(mixed.mean(axis=0), X.mean(axis=0), atol=1e-15)
    assert 0 < np.abs(mixed - mix(X, 0)).max() < 2**-6
    np.testing.assert_array_equal(
        exchanges.to_bfloat16(np.array([1 + 2**-8, 1 + 3 * 2**-8])), [1, 1 + 2**-6]
    )  # to even


# Games.


def test_gradients_of_the_gan_by_finite_differences():
    game = GaussiansGame(np.array([[0.0, 0.0], [0.3, -0.2]]), batch=5)
    random = np.random.default_rng(1)
    X = game.start + 0.3 * random.standard_normal((2, game.dimension))
    sample, h = game.sample(2, random), 1e-6
    found = game.gradient_of_sample(X, *sample)
    players = np.ones(game.dimension)
    players[-64:] = -1  # the critic ascends
    for c in range(game.dimension):
        step = h * np.eye(game.dimension)[c]
        slope = (game.value(X + step, *sample) - game.value(X - step, *sample)) / (2 * h)
        np.testing.assert_allclose(found[:, c], players[c] * slope, atol=2e-8)


def test_the_gans_mean_gradient_is_that_of_many_batches():
    game = GaussiansGame(np.array([[0.2, 0.0], [-0.2, 0.0]]), batch=20_000)
    X = np.tile(game.start + 0.1, (2, 1))
    drawn = np.mean([game.gradient(X, np.random.default_rng(seed)).mean(axis=0) for seed in range(5)], axis=0)
    np.testing.assert_allclose(drawn, game.mean_gradient(X[:1])[0], atol=0.01)


def test_the_gan_comes_nearer_to_its_equilibrium():
    trace = play("oadam", 4, 600, setup="random_ring", game="gaussians", rate=1e-3)
    assert trace.gradient_norm[-1] < 0.3 * trace.gradient_norm[0]


def test_offsets_have_mean_zero():
    shifts = games.offsets(8, 3, 0.5, seed=1)
    np.testing.assert_allclose(shifts.mean(axis=0), 0, atol=1e-15)
    game = games.make("quadratic", 8, pairs=2, heterogeneity=0.5)
    np.testing.assert_allclose(game.mean_gradient(np.zeros((1, 4))), 0, atol=1e-15)


# The command.


def test_bad_input_is_one_line():
    assert "choose one of bilinear" in refused(games.make, "chess", 4)
    assert "heterogeneity" in refused(games.make, "bilinear", 4, heterogeneity=-1.0)
    assert "sigma" in refused(games.make, "bilinear", 4, sigma=-1.0)
    assert "moebius" in refused(setups.parse, "moebius")
    for text in (
        "ring+tree",
        "ring+every",
        "ring+every=0",
        "ring+top=2",
        "ring+delayed=3",
        "random_centralized",
        "ring+",
    ):
        assert text in refused(setups.parse, text)
    for text in ("random_ring+8bit", "exponential+8bit", "matching+top=0.1"):
        assert "fixed symmetric" in refused(setups.parse(text).exchange, 8)
    assert "bit/s" in refused(cost_model.Network, "x", -1.0, 0.1)
    assert "delay" in refused(cost_model.Network, "x", 1.0, -0.1)
    assert "slow_link" in refused(timing.Workload, slow_link=0.5)
    assert "0.577 of 3 exponential" in refused(timing.Workload, critic_steps=2, spread=0.6, distribution="exponential")
    for variant in ("delayed", "8bit"):
        assert "dposg" in refused(study.Study(method="dposg").best, setups.parse(f"ring+{variant}"), 4)
    assert "645" in refused(mixing.make_schedule, "matching", 1024)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--game=chess", "--game=chess"),
        ("--method=adam", "--method=adam"),
        ("--noise_learners=4", "--noise_learners=4: at least 1, or 0 for all; of --method=oadam_split_batch only"),
        ("--setups=moebius", "moebius"),
        ("--learners=2000", "--learners=2000"),
        ("--learning_rates=0", "--learning_rates"),
        ("--target=2", "--target"),
        ("--compute=1", "only --part=scaling and claims"),
        ("--networks=home", "only --part=scaling"),
        ("--part=everything", "--part=everything"),
        ("--scale=0", "--scale=0"),
    ],
)
def test_the_command_refuses(flag, said, tmp_path):
    assert said in refused(simulate.main, ["simulate", f"--workdir={tmp_path}", flag])


def test_parts_write_tables_and_plots(tmp_path, capsys):
    line = ["simulate", f"--workdir={tmp_path}", "--part=convergence,scaling", "--learners=4,8", "--scale=0.03"]
    simulate.main([*line, "--setups=centralized,random_ring,hypercube+chebyshev=2,torus+8bit", "--networks=home"])
    simulate.main(["simulate", f"--workdir={tmp_path}", "--part=claims", "--learners=4,8", "--scale=0.02"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["convergence.png", "convergence.tsv", "curves.tsv", "scaling.png", "scaling.tsv", "claims.png"]
        + [f"claim_{name}.tsv" for name in ("random", "rounds", "speed_up", "noise")]
    )
    rows = [line.split("\t") for line in (tmp_path / "scaling.tsv").read_text().splitlines()]
    assert len(rows) == 1 + 4 * 2 and {len(row) for row in rows} == {8}
    assert "home: 20 Mbit/s, 20 ms one way" in capsys.readouterr().out


def test_random_mixing_is_compared_at_the_mean_and_at_the_learners():
    """Whatever --at says; a fixed ring of 16 is further from the target at its own weights than at their mean."""
    one = study.Study(steps=2000, at="learners").single
    headers, ((_, *found),) = claims.random_against_fixed(one, [16])
    row = dict(zip(headers[1:], found, strict=True))
    assert row["ring: steps (mean)"] < row["ring: steps (learners)"]
    assert row["ring: contraction"] == pytest.approx(1 / 3 + 2 / 3 * np.cos(np.pi / 8))


def test_spectral_gaps_are_of_all_that_a_step_mixes():
    smaller = 1 / 3 + 2 / 3 * np.cos(np.pi / 4)  # of a ring of 8, the second largest
    assert convergence.gap(setups.parse("ring"), 8) == pytest.approx(1 - smaller)
    assert convergence.gap(setups.parse("ring+rounds=3"), 8) == pytest.approx(1 - smaller**3)
    assert convergence.gap(setups.parse("ring+chebyshev=3"), 8) > 1 - smaller**3
    for name in ("centralized", "random_ring", "ring+every=4", "ring+delayed", "ring+8bit"):
        assert convergence.gap(setups.parse(name), 8) is None


def test_a_setup_that_does_not_exist_at_a_size_is_left_out(tmp_path, capsys):
    line = ["simulate", f"--workdir={tmp_path}", "--setups=hypercube,ring", "--learners=6", "--scale=0.01"]
    simulate.main(line)
    assert "left out, 6 learners: topology hypercube" in capsys.readouterr().err
    assert "ring" in (tmp_path / "convergence.tsv").read_text()


def test_a_workload_is_what_the_flags_say():
    fields = {field.name for field in dataclasses.fields(timing.Workload)}
    assert fields - {"distribution", "overlap"} == set(simulate._TIMED) - {"stragglers"}
