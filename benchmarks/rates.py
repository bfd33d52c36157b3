"""Simulate the error rates of reports, and print them as tables: ``python -m benchmarks.rates``.

Every sentence is made by the functions that reports use, over data whose truth is known. ``docs/error_rates.md``
holds what this prints (``table=docs/error_rates.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from scipy import stats

from benchmarks import CONF
from benchmarks.settings import RATES
from benchmarks.tables import Marks, put_into, read_page, rows_below
from src.analysis.failures import Failures
from src.analysis.pairs import Pair, differences_of
from src.analysis.verdict import unless_failures
from src.config.shell import command
from src.statistics.crossed import block_length, in_blocks, over_seeds_and_sequences
from src.statistics.datasets import signed_rank_posterior
from src.statistics.decision import decide, p_values
from src.statistics.family import Finding, holm_verdicts
from src.statistics.intervals import bca_interval, t_interval, wilson_interval
from src.statistics.looks import Look, planned_looks
from src.statistics.power import BETTER, SAME, detectable, power_same
from src.statistics.resplits import over_splits
from src.statistics.solved import solve_rates

MARKS = ("<!-- rates: begin -->", "<!-- rates: end -->")
NAMES = ("A", "B")
MARGIN = 1.0


@dataclass(frozen=True)
class Simulated:
    """One table: what it is about, its header, and its rows of text."""

    title: str
    header: list[str]
    rows: list[list[str]]


def normal(rng: np.random.Generator, mean: float, sd: float, size: tuple[int, int]) -> np.ndarray:
    """Draw normal differences, (studies, pairs)."""
    return rng.normal(mean, sd, size)


def skewed(rng: np.random.Generator, mean: float, sd: float, size: tuple[int, int]) -> np.ndarray:
    """Draw exponential differences with a long upper tail, (studies, pairs)."""
    return mean + sd * (rng.exponential(1.0, size) - 1)


def outcomes(differences: np.ndarray, margin: float | None, looks: Sequence[Look] | None = None) -> dict[str, float]:
    """Share of studies by what is said of them: ``A``, ``B``, ``same`` or nothing of these.

    Args:
        differences: (studies, pairs).
        margin: of practical equivalence.
        looks: the first of them that decides counts; None: one look, at all pairs.
    """
    said = dict.fromkeys(("A", "B", "same"), 0)
    for pairs in differences:
        for look in looks or [Look(len(pairs))]:
            outcome, winner = decide(pairs[: look.pairs], margin, NAMES, look=look)
            if outcome in ("better", "same"):
                said[winner or outcome] += 1
                break
    return {name: count / len(differences) for name, count in said.items()}


def verdict_rates(rng: np.random.Generator, studies: int) -> Simulated:
    """Simulate one look: wrong verdicts at the hardest true differences, and power compared with the power reported."""
    rows = []
    for pairs in (6, 10, 29):
        size = (studies, pairs)
        for name, draw in (("normal", normal), ("skewed", skewed)):
            equal, edge = draw(rng, 0.0, 2.0, size), draw(rng, MARGIN, 0.6, size)
            free, equal_rates, edge_rates = outcomes(equal, None), outcomes(equal, MARGIN), outcomes(edge, MARGIN)
            mirrored = outcomes(-edge, MARGIN)
            difference = detectable(2.0, MARGIN, pairs, BETTER) or 0.0
            found = outcomes(draw(rng, difference, 2.0, size), MARGIN)["A"]
            same = outcomes(draw(rng, 0.0, 1.2, size), MARGIN)["same"]
            rows.append(
                [
                    f"{pairs}, {name}",
                    f"{free['A'] + free['B']:.3f} / {equal_rates['A'] + equal_rates['B']:.3f}",
                    f"{max(edge_rates['A'], mirrored['B']):.3f}",
                    f"{max(edge_rates['same'], mirrored['same']):.3f}",
                    f"{found:.3f} (0.80)",
                    f"{same:.3f} ({power_same(0.0, 1.2, MARGIN, pairs, SAME):.2f})",
                ]
            )
    header = [
        *("pairs, differences", "equal models called better: no margin / margin", "on the margin: called better"),
        *("on the margin: called the same", "a detectable difference found (printed)", "equal models: same (printed)"),
    ]
    return Simulated("Verdicts from one look (claimed: at most 0.05 wrong)", header, rows)


def look_rates(rng: np.random.Generator, studies: int) -> Simulated:
    """Compare planned looks with looking after every pair."""
    rows = []
    for looks in ((10,), (6, 10), (6, 10, 20, 29)):
        planned, naive = planned_looks(looks), [Look(n) for n in range(6, looks[-1] + 1)]
        equal = rng.normal(0.0, 1.0, (studies, looks[-1]))
        edge = rng.normal(MARGIN, 1.0, (studies, looks[-1]))
        for name, taken in ((f"planned, at {', '.join(map(str, looks))}", planned), ("after every pair from 6", naive)):
            wrong = outcomes(equal, None, taken)
            margin, still = outcomes(edge, MARGIN, taken), outcomes(equal, MARGIN, taken)
            cells = (wrong["A"] + wrong["B"], margin["same"], margin["A"], still["same"])
            rows.append([f"{name} of {looks[-1]}", *(f"{value:.3f}" for value in cells)])
    header = [
        *("looks", "equal models called better (no margin)", "on the margin: called the same"),
        *("on the margin: called better", "equal models called the same (SD = margin)"),
    ]
    return Simulated("Looks at a study that is still running (claimed: at most 0.05 wrong)", header, rows)


def interval_coverage(rng: np.random.Generator, studies: int) -> Simulated:
    """Simulate intervals over seeds alone."""
    rows = []
    for pairs in (6, 10, 29):
        cells = [str(pairs)]
        for draw in (normal, skewed):
            drawn = draw(rng, 1.0, 1.0, (studies, pairs))
            for interval in (t_interval, bca_interval):
                ends = [made for x in drawn if (made := interval(x)) is not None]
                cells.append(f"{np.mean([e.low <= 1.0 <= e.high for e in ends]):.3f}")
        wins = [wilson_interval(k, pairs) for k in range(pairs + 1)]
        for p in (0.5, 0.75, 0.9):
            inside = [i.low <= p <= i.high for i in wins]
            cells.append(f"{stats.binom.pmf(np.arange(pairs + 1), pairs, p)[inside].sum():.3f}")
        rows.append(cells)
    of_mean = ["t, normal", "BCa, normal", "t, skewed", "BCa, skewed"]
    header = ["pairs", *of_mean, *(f"Wilson, P = {p}" for p in (0.5, 0.75, 0.9))]
    return Simulated("Coverage over seeds (nominal 0.95)", header, rows)


def crossed_coverage(rng: np.random.Generator, studies: int) -> Simulated:
    """Simulate intervals over seeds and test sequences and over seeds alone; lengths are equal, or vary tenfold."""
    rows = []
    for seeds in (3, 5, 10, 29):
        cells = [str(seeds)]
        for sequences, unequal in ((20, False), (100, False), (500, False), (20, True)):
            shares = []
            for ratio in (0.0, 0.1, 1.0, 10.0):
                shares.append(_crossed_once(rng, seeds, sequences, ratio, unequal, studies // (1 + sequences // 100)))
            both, alone, width = (np.array(column) for column in zip(*shares, strict=True))
            cells.append(f"{both.min():.3f}-{both.max():.3f} ({alone.min():.2f}), {width.max():.2f}")
        rows.append(cells)
    header = ["pairs", "20 sequences", "100 sequences", "500 sequences", "20, lengths vary tenfold"]
    title = (
        "Coverage over seeds and test sequences (nominal 0.95): lowest to highest for variance ratios of sequences to "
        "seeds of 0, 0.1, 1 and 10 (in brackets, the lowest of t over seeds alone), and largest mean width relative to "
        "known variances"
    )
    return Simulated(title, header, rows)


def _crossed_once(
    rng: np.random.Generator, seeds: int, sequences: int, ratio: float, unequal: bool, studies: int
) -> tuple[float, float, float]:
    """Coverage of both, coverage of t over seeds, mean width over the width with known variances."""
    both = alone = width = 0.0
    for _ in range(studies):
        count = np.exp(rng.normal(0, 1, sequences)) if unequal else np.ones(sequences)
        share = count / count.sum()
        of_seed = rng.normal(0, 1, (seeds, 1)) / np.sqrt(sequences)
        of_sequence, rest = rng.normal(0, np.sqrt(ratio), sequences), rng.normal(0, 1, (seeds, sequences))
        top = (of_seed + of_sequence + rest) * count
        crossed, over_seeds = over_seeds_and_sequences(top, count), t_interval(top.sum(1) / count.sum())
        if crossed is None or over_seeds is None:
            continue
        both += crossed.interval.low <= 0 <= crossed.interval.high
        alone += over_seeds.low <= 0 <= over_seeds.high
        known = 1 / sequences / seeds + (ratio + 1 / seeds) * float((share**2).sum())
        width += (crossed.interval.high - crossed.interval.low) / (2 * 1.96 * np.sqrt(known))
    return both / studies, alone / studies, width / studies


def resplit_coverage(rng: np.random.Generator, studies: int) -> Simulated:
    """Compare Nadeau and Bengio's interval with t over all runs, on five splits of one finite file."""
    rows = []
    for number, seeds in ((60, 2), (60, 6), (300, 2)):
        for of_seeds in (0.1, 1.0):
            covered = naive = 0
            for _ in range(studies):
                file, test = rng.normal(0, 1, number), round(0.2 * number)
                splits = [rng.permutation(number) for _ in range(5)]
                runs = np.array(
                    [
                        file[s[:test]].mean() - 0.3 * file[s[test:]].mean() + rng.normal(0, of_seeds / 3, seeds)
                        for s in splits
                    ]
                )
                ends, plain = over_splits(runs.mean(1), test, number - test), t_interval(runs.ravel())
                assert ends is not None
                assert plain is not None
                covered += ends.low <= 0 <= ends.high
                naive += plain.low <= 0 <= plain.high
            rows.append(
                [
                    f"{number}",
                    f"5 x {seeds}",
                    f"{of_seeds / 3:.2f}",
                    f"{covered / studies:.3f}",
                    f"{naive / studies:.3f}",
                ]
            )
    header = ["sequences", "splits x seeds", "SD of seeds (sequences: 1)", "Nadeau-Bengio", "t over all runs"]
    return Simulated("Coverage over re-splits (nominal 0.95)", header, rows)


def block_coverage(rng: np.random.Generator, studies: int) -> Simulated:
    """Simulate overlapping forecasting windows: blocks as in reports, single windows, and blocks of one window."""
    rows, pairs, lookback = [], 6, 96
    for memory, horizon, length in ((1, 24, 2880), (24, 24, 2880), (24, 96, 2880), (100, 24, 8760)):
        hits = np.zeros(3)
        kernel = np.exp(-np.arange(6 * memory) / memory)
        for _ in range(studies // 4):
            noise = np.convolve(rng.normal(0, 1, length + len(kernel)), kernel / np.sqrt((kernel**2).sum()), "same")
            errors = np.convolve(noise, np.ones(horizon) / horizon, "valid")[: length - horizon]
            top = errors + rng.normal(0, 0.02, (pairs, 1))
            for place, block in enumerate((1, lookback + horizon, block_length(lookback, horizon, length))):
                made = over_seeds_and_sequences(in_blocks(top, block), in_blocks(np.ones(top.shape[1]), block))
                assert made is not None
                hits[place] += made.interval.low <= 0 <= made.interval.high
        rows.append([f"{memory}", f"{horizon}", f"{length:,}", *(f"{hit / (studies // 4):.3f}" for hit in hits)])
    header = [
        *("errors correlated over (rows)", "horizon", "rows"),
        *("single windows", "blocks of lookback + horizon", "reported"),
    ]
    return Simulated("Coverage over other periods of one series (nominal 0.95)", header, rows)


def dataset_rates(rng: np.random.Generator, studies: int) -> Simulated:
    """Simulate several data sets: three-sided t test in units of the margins, and Bayesian signed-rank posterior."""
    rows = []
    for sets in (6, 10, 25):
        equal, edge = rng.normal(0, 1, (studies, sets)), rng.normal(1, 0.6, (studies, sets))
        far, at_edge = outcomes(equal, MARGIN), outcomes(edge, MARGIN)
        few = studies // 5
        bayes = [signed_rank_posterior(x) for x in edge[:few]]
        rows.append(
            [
                str(sets),
                f"{far['A'] + far['B']:.3f}",
                f"{at_edge['A']:.3f} / {at_edge['same']:.3f}",
                f"{np.mean([p.a > 0.95 for p in bayes]):.3f} / {np.mean([p.same > 0.95 for p in bayes]):.3f}",
            ]
        )
    header = [
        *("data sets", "equal: called better", "on the margin: called better / the same, t"),
        "called better / the same by a posterior above 0.95",
    ]
    return Simulated("Over data sets (claimed: at most 0.05 wrong)", header, rows)


def family_rates(rng: np.random.Generator, studies: int) -> Simulated:
    """Simulate how often any verdict on many data sets is wrong, for separate verdicts and for one family."""
    rows = []
    for sets in (4, 20):
        far = np.where(np.arange(sets) % 2, 4.0, MARGIN)
        for name, means, margin, wrong in (
            ("equal, no margin: any called better", np.zeros(sets), None, ("A", "B")),
            ("on the margin: any called better", np.full(sets, MARGIN), MARGIN, ("A",)),
            ("on the margin: any called the same", np.full(sets, MARGIN), MARGIN, ("same",)),
            ("half on the margin, half far beyond: any called the same", far, MARGIN, ("same",)),
        ):
            single = family = right = 0.0
            for _ in range(few := studies // 2):
                said, stands = family_of(means[:, None] + rng.normal(0, 0.6, (sets, 10)), margin)
                wrongly = np.isin(said, wrong)
                single, family = single + wrongly.any(), family + (wrongly & stands).any()
                right += (stands & (np.array(said) == "A"))[means > MARGIN].mean() if (means > MARGIN).any() else 0.0
            found = f"{right / few:.2f}" if (means > MARGIN).any() else ""
            rows.append([str(sets), name, f"{single / few:.3f}", f"{family / few:.3f}", found])
    header = ["data sets", "truth", "each by itself", "as one family", "right verdicts kept"]
    title = "Probability that any of several verdicts is wrong, 10 pairs each (claimed for the family: at most 0.05)"
    return Simulated(title, header, rows)


def family_of(differences: np.ndarray, margin: float | None) -> tuple[list[str], np.ndarray]:
    """What is said of each data set (``A``, ``B``, ``same`` or another outcome), and whether it stands in the family.

    Args:
        differences: (data sets, pairs).
        margin: of practical equivalence.
    """
    said, tests = [], list[Finding | None]()
    for x in differences:
        outcome, winner = decide(x, margin, NAMES)
        better, same = p_values(x, margin)
        p = better if outcome == "better" else same if outcome == "same" else None
        said.append(winner or outcome)
        tests.append(None if p is None else Finding(outcome == "better", p, 0, (len(x),)))
    return said, np.array(holm_verdicts(tests))


def solve_coverage(rng: np.random.Generator, studies: int) -> Simulated:
    """Simulate paired solve rates: Newcombe's interval and mid-p McNemar."""
    rows = []
    for pairs in (6, 10, 29):
        for p, q in ((0.5, 0.5), (0.9, 0.9), (1.0, 0.6)):
            a, b = rng.random((studies, pairs)) < p, rng.random((studies, pairs)) < q
            made = [rates for x, y in zip(a, b, strict=True) if (rates := solve_rates(x, y)) is not None]
            covered = np.mean([r.interval.low <= p - q <= r.interval.high for r in made])
            rejected = np.mean([r.p < 0.05 for r in made])
            rows.append([str(pairs), f"{p} / {q}", f"{covered:.3f}", f"{rejected:.3f}"])
    return Simulated("Solve rates (nominal 0.95)", ["pairs", "true rates", "coverage", "called different"], rows)


def failure_rates(rng: np.random.Generator, studies: int) -> Simulated:
    """Simulate a task that every run solves, except for a share of B's runs, which learn nothing; it is the margin."""
    rows = []
    for share in (0.05, 0.2):
        for pairs in (6, 10, 29, 60):
            t = guarded = still = 0
            for failed in rng.random((studies, pairs)) < share:
                t += outcome_of(failed, share, rng, None) == "same"
                guarded += outcome_of(failed, share, rng, 1.0) == "same"
                still += outcome_of(np.zeros(pairs, bool), share, rng, 1.0) == "same"
            rows.append([f"{share:g}", str(pairs), *(f"{count / studies:.3f}" for count in (t, guarded, still))])
    header = ["failures = margin", "pairs", *("on the margin: called the same, t alone", "as reported")]
    title = "Tasks that a run either solves or learns nothing of (claimed: at most 0.05 wrong)"
    return Simulated(title, [*header, "neither ever fails: same, as reported"], rows)


def outcome_of(failed: np.ndarray, margin: float, rng: np.random.Generator, cost: float | None) -> str:
    """What is said of pairs whose losses are nearly 0, or 1 for a failed run of B, (pairs,) bool.

    ``cost`` is that of a failure, as reports know it; None: they know nothing of failures.
    """
    a, b = rng.normal(0, 0.001 * margin, (2, len(failed)))
    pairs = [
        Pair(seed, x, y, y - x, f"a{seed}", f"b{seed}", "complete")
        for seed, (x, y) in enumerate(zip(a.tolist(), (b + failed).tolist(), strict=True))
    ]
    solved = {pair.run_a or "": True for pair in pairs} | {f"b{i}": not f for i, f in enumerate(failed.tolist())}
    look = Look(len(pairs))
    reach = None if cost is None else Failures(cost, solved).reach(pairs, look.same)
    return unless_failures(decide(differences_of(pairs), margin, NAMES, look=look), reach, margin)[0]


TABLES = (
    *(verdict_rates, look_rates, interval_coverage, crossed_coverage),
    *(resplit_coverage, block_coverage, dataset_rates, family_rates, solve_coverage, failure_rates),
)


def rates(cfg: DictConfig) -> list[Simulated]:
    """Simulate every table, print them, and put them into a page where ``table`` names one.

    Raises:
        UserError: in one sentence, when the page has no place for them.
    """
    return simulated(cfg, TABLES, MARKS)


def simulated(
    cfg: DictConfig, tables: Sequence[Callable[[np.random.Generator, int], Simulated]], marks: Marks
) -> list[Simulated]:
    """Simulate tables, print them, and put them between a page's marks where ``table`` names one.

    Raises:
        UserError: in one sentence, when the page has no place for them.
    """
    page = Path(cfg.table) if cfg.table is not None else None
    if page:
        read_page(page, marks)  # refused before the simulation, not after it
    made = []
    for simulate in tables:
        made.append(simulate(np.random.default_rng(cfg.seed), cfg.studies))
        print(as_markdown(made[-1]))
    if page:
        put_into(page, marks, "\n".join(as_markdown(table) for table in made) + "\n")
    return made


def as_markdown(table: Simulated) -> str:
    """Return the table with its title as Markdown."""
    return f"**{table.title}**\n\n{rows_below(table.header, table.rows)}"


if __name__ == "__main__":
    command("rates", rates, CONF, RATES)
