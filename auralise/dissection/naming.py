"""The name of a feature: a concept that beats masks of other clips, and then passes an exam.

The best concept is chosen on some clips and held against masks that say nothing: those of other
clips, and for registers shifts in frequency. What is left after the control of false discoveries
goes to the exam, on clips that were held out: there the concept must win against every concept
that can be told apart from it, its share of what is let through must not fall below that of the
clips, and the feature must be still in most excerpts without it, three at least.

Concepts are held against each other by Pearson's r, whose square is the share of the feature's
variance that a concept accounts for. Average precision is not fit for that: with its chance level
taken off it favours what is often there, at one prevalence for all what is seldom there.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from auralise.dissection.activations import Activations, Targets
from auralise.dissection.scores import average_precisions, cell_offset, correlations
from auralise.statistics import ALPHA, adjust_p, ratio

N_DRAWS = 999  # of null masks
STILL = 0.1  # of a feature's peak
LET_THROUGH = 0.75  # of a concept's share of the clips, at least: few clips say it to a quarter
N_EXCERPTS = 3  # at least in which a feature is still, and half of those without the concept
EXCERPT = 0.5  # s, and at least a column of the layer
LOWEST = -1.0  # the score of what cannot be scored


@dataclass(frozen=True)
class Draws:
    """Null masks: the clip whose masks each clip is given, and the shift of its registers.

    Attributes
    ----------
    clips : ndarray of int, shape (n_draws, n_clips)
        The clip whose masks each clip gets; never itself.
    shifts : ndarray, shape (n_draws, n_clips)
        By what share of all bins its registers are shifted, in [0, 1).
    """

    clips: np.ndarray
    shifts: np.ndarray

    @classmethod
    def of(cls, n_draws: int, n_clips: int, seed: int) -> "Draws":
        rng = np.random.default_rng([seed, n_draws, n_clips])
        order = rng.permuted(np.tile(np.arange(n_clips), (n_draws, 1)), axis=1)
        clips = np.empty_like(order)
        np.put_along_axis(clips, order, np.roll(order, -1, axis=1), axis=1)
        return cls(clips, rng.random((n_draws, n_clips)))

    def rows(self, height: int) -> np.ndarray:
        """The shifts in rows of a feature map, never 0 where there is more than one row."""
        return (
            1 + np.floor(self.shifts * (height - 1)).astype(int) if height > 1 else self.clips * 0
        )


class Products:
    """Correlations of features with concepts, for the clips' own masks or any null masks.

    Parameters
    ----------
    values : ndarray, shape (n_features, n_clips, n_cells)
    targets : Targets
    clips : ndarray of int
        Of the targets, those that `values` belong to.
    """

    def __init__(self, values: np.ndarray, targets: Targets, clips: np.ndarray):
        n_features, n_clips, n_cells = values.shape
        own = targets.values[:, clips]
        self.n_registers = len(targets.profiles)
        self.height = targets.cells.height
        flat = own.reshape(-1, n_cells)
        products = [values[:, clip] @ flat.T for clip in range(n_clips)]
        # (clip of the activations, feature, concept, clip of the masks)
        self.pairs = np.stack(products).reshape(n_clips, n_features, len(own), n_clips)
        in_rows = np.zeros((n_features, n_clips, self.height), np.float32)
        for row in range(self.height):
            in_rows[:, :, row] = values[:, :, targets.rows == row].sum(axis=2)
        shifted = [np.roll(targets.profiles, shift, axis=1) for shift in range(self.height)]
        # (clip, feature, register, shift)
        self.shifted = np.einsum("fny,scy->nfcs", in_rows, np.stack(shifted), optimize=True)
        flat_values = values.reshape(n_features, -1).astype(np.float64)
        self.mean = flat_values.mean(axis=1)
        self.deviation = flat_values.std(axis=1)
        flat_targets = own.reshape(len(own), -1).astype(np.float64)
        self.target_mean, self.target_deviation = (
            flat_targets.mean(axis=1),
            flat_targets.std(axis=1),
        )
        self.n = n_clips * n_cells

    def observed(self) -> np.ndarray:
        """Correlations with each clip's own masks, shape ``(n_features, n_concepts)``."""
        return self._r(np.einsum("nfcn->fc", self.pairs, dtype=np.float64))

    def drawn(self, draws: Draws) -> np.ndarray:
        """Correlations with null masks, shape ``(n_draws, n_features, n_concepts)``."""
        n_clips, n_features, n_concepts, _ = self.pairs.shape
        sums = np.zeros((n_features, n_concepts, len(draws.clips)), np.float32)
        rows = draws.rows(self.height)
        for clip in range(n_clips):
            sums[:, : -self.n_registers] += self.pairs[clip][:, : -self.n_registers][
                ..., draws.clips[:, clip]
            ]
            sums[:, -self.n_registers :] += self.shifted[clip][..., rows[:, clip]]
        return self._r(np.moveaxis(sums, 2, 0).astype(np.float64))

    def _r(self, sums: np.ndarray) -> np.ndarray:
        scale = self.deviation[:, None] * self.target_deviation
        covariance = sums / self.n - self.mean[:, None] * self.target_mean
        return ratio(covariance, scale)


@dataclass(frozen=True)
class Surprise:
    """How far correlations stand above those with null masks.

    Attributes
    ----------
    mean, deviation : ndarray, shape (n_features, n_concepts)
        Of r with null masks.
    largest : ndarray, shape (n_draws, n_features)
        Of each draw, the largest z over concepts.
    usable : ndarray of bool, shape (n_concepts,)
    """

    mean: np.ndarray
    deviation: np.ndarray
    largest: np.ndarray
    usable: np.ndarray

    @classmethod
    def of(cls, drawn: np.ndarray, usable: np.ndarray) -> "Surprise":
        mean, deviation = drawn.mean(axis=0), drawn.std(axis=0)
        found = cls(mean, deviation, np.empty(0), usable)
        return cls(mean, deviation, found.z(drawn).max(axis=2), usable)

    def z(self, r: np.ndarray) -> np.ndarray:
        """Standardise correlations ``(n_features, n_concepts)`` by the null's mean and deviation.

        −∞ where the null does not vary or the concept cannot be resolved.
        """
        z = np.full(r.shape, -np.inf)
        known = self.usable & (self.deviation > 0)
        np.divide(r - self.mean, self.deviation, out=z, where=np.broadcast_to(known, r.shape))
        return np.nan_to_num(z, nan=-np.inf, neginf=-np.inf)

    def p(self, z: np.ndarray) -> np.ndarray:
        """p = (1 + k)/(n + 1), where k of n null draws have a z as large for some concept."""
        return (1 + (self.largest >= z).sum(axis=0)) / (len(self.largest) + 1)


def still_excerpts(
    levels: np.ndarray,
    present: np.ndarray,
    powers: np.ndarray,
    length: int,
    stride: int,
    offset: int = 0,
) -> list[tuple[int, int, bool]]:
    """Each clip's loudest excerpt without a concept, and whether a feature is still in it.

    Parameters
    ----------
    levels : ndarray, shape (n_clips, width)
        Of the feature.
    present : ndarray of bool, shape (n_clips, n_frames)
        Where the concept is.
    powers : ndarray, shape (n_clips, n_frames)
    length : int
        Of an excerpt (frames).
    stride : int
        Frames from one column of the feature maps to the next.
    offset : int
        Frame in which the first column begins.

    Returns
    -------
    list of (clip, first frame, whether it is still)
        The loudest first.
    """
    n_frames = present.shape[1]
    if length > n_frames:
        return []
    windows = np.lib.stride_tricks.sliding_window_view
    whole = ~windows(present, length, axis=1).any(axis=2)
    power = np.where(whole, windows(powers, length, axis=1).mean(axis=2), -1.0)
    first = power.argmax(axis=1)
    loudest = power.max(axis=1)
    peak = levels.max()
    found = []
    for clip in np.argsort(-loudest, kind="stable"):
        if loudest[clip] < 0:
            break
        # What is left of the frames behind the last column belongs to it.
        start = max(0, first[clip] - offset)
        begin = min(-(-start // stride), levels.shape[1] - 1)
        end = (start + length) // stride
        inside = levels[clip, begin : max(end, begin + 1)]
        found.append((int(clip), int(first[clip]), bool(inside.max() < STILL * peak)))
    return found


@dataclass(frozen=True)
class Question:
    """What the naming of a layer's features needs to know.

    Attributes
    ----------
    activations : Activations
    targets : Targets
    held_out : ndarray of bool, shape (n_clips,)
    present : ndarray of bool, shape (n_clips, n_concepts, n_frames)
    powers : ndarray, shape (n_clips, n_frames)
        Of each frame.
    hop : float
        From one frame to the next (s).
    enrichments : ndarray, shape (n_features, n_concepts), optional
        How much more of a concept a feature lets through than there is; without them this is not
        asked.
    """

    activations: Activations
    targets: Targets
    held_out: np.ndarray
    present: np.ndarray
    powers: np.ndarray
    hop: float
    enrichments: np.ndarray | None = None

    @property
    def excerpt(self) -> int:
        """Length of an excerpt (frames)."""
        return max(self.activations.cells.pooled[1], round(EXCERPT / self.hop))


class Naming:
    """Names one layer's features, with the clips' own masks or, as a null, with other clips' masks.

    Parameters
    ----------
    question : Question
    seed : int
        Of the draws that give the null distribution of the correlations.
    """

    def __init__(self, question: Question, seed: int = 0):
        self.question = question
        self.chosen_on = np.flatnonzero(~question.held_out)
        self.examined_on = np.flatnonzero(question.held_out)
        values, targets = question.activations.values, question.targets
        self.products = Products(values[:, self.chosen_on], targets, self.chosen_on)
        drawn = self.products.drawn(Draws.of(N_DRAWS, len(self.chosen_on), seed))
        self.surprise = Surprise.of(drawn, targets.resolvable)

    def names(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Names found with the clips' own masks.

        Returns
        -------
        table : DataFrame
            ``layer, feature, name`` (empty: unknown), ``candidate`` (the best concept), ``p``,
            ``q``, ``score`` (r of the candidate on the held-out clips), ``runner_up`` (the best
            concept there that can be told apart from it), ``runner_up_score``, ``lets_through``,
            ``wins``, ``still``, ``n_clips`` (held-out clips with the candidate).
        excerpts : DataFrame
            ``layer, feature, clip`` (a number), ``start, end`` (s): the loudest without the
            candidate in which the feature is still, of each that went to the exam.
        """
        examined = self.question.targets.values[:, self.examined_on]
        return self._names(self.products.observed(), examined)

    def names_by_chance(self, seed: int) -> pd.DataFrame:
        """Names found by chance: with masks of other clips, from the first test to the exam."""
        r = self.products.drawn(Draws.of(1, len(self.chosen_on), seed))[0]
        draws = Draws.of(1, len(self.examined_on), seed + 1_000_000)
        return self._names(r, self._redrawn(self.examined_on, draws))[0]

    def _redrawn(self, clips: np.ndarray, draws: Draws) -> np.ndarray:
        """Targets ``(n_concepts, n_clips, n_cells)`` as a draw gives them to the clips."""
        targets = self.question.targets
        found = targets.values[:, clips[draws.clips[0]]].copy()
        n_registers = len(targets.profiles)
        for clip, shift in enumerate(draws.rows(targets.cells.height)[0]):
            found[-n_registers:, clip] = np.roll(targets.profiles, shift, axis=1)[:, targets.rows]
        return found

    def _names(self, r: np.ndarray, examined: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Names from correlations on the clips that they are chosen on, and targets of the exam."""
        question = self.question
        best = self._comparable(r).argmax(axis=1)
        z = self.surprise.z(r)
        p = self.surprise.p(z[np.arange(len(r)), best])
        p = np.where(np.isfinite(z.max(axis=1)), p, 1.0)
        q = adjust_p(p)
        rows, excerpts = _blank(question, best, p, q), []
        targets = examined.reshape(len(examined), -1)
        for feature in np.flatnonzero(q <= ALPHA).tolist():
            values = question.activations.values[[feature]][:, self.examined_on].reshape(1, -1)
            scores = self._comparable(correlations(values, targets))[0]
            concept = int(best[feature])
            ranks = average_precisions(values, targets[[concept]])[0, 0] > 0
            row, heard = self._examine(feature, concept, scores, bool(ranks))
            for key, value in row.items():
                rows.loc[feature, key] = value
            excerpts += heard
        columns = ["layer", "feature", "clip", "start", "end"]
        return rows, pd.DataFrame(excerpts, columns=columns)

    def _comparable(self, r: np.ndarray) -> np.ndarray:
        """Correlations, ``(n_features, n_concepts)``, `LOWEST` where nothing can be said."""
        return np.nan_to_num(np.where(self.question.targets.resolvable, r, np.nan), nan=LOWEST)

    def _examine(
        self, feature: int, concept: int, scores: np.ndarray, ranks: bool
    ) -> tuple[dict, list[dict]]:
        """The exam of one feature: its row, and the excerpts without the concept.

        ``ranks`` says whether it fires more strongly where the concept is than elsewhere.
        """
        question, targets = self.question, self.question.targets
        activations = question.activations
        others = np.flatnonzero(targets.resolvable & ~targets.together[concept])
        runner_up = int(others[scores[others].argmax()]) if len(others) else concept
        wins = ranks and bool(scores[concept] > max(0, scores[runner_up]))
        held = self.examined_on
        present = question.present[held, concept]
        excerpts = still_excerpts(
            activations.levels[feature, held],
            present,
            question.powers[held],
            question.excerpt,
            activations.cells.pooled[1],
            cell_offset(present.shape[1], activations.cells.width, activations.cells.pooled[1]),
        )
        quiet = [excerpt[:2] for excerpt in excerpts if excerpt[2]]
        still = len(quiet) >= max(N_EXCERPTS, len(excerpts) / 2)
        enriched = np.nan
        if question.enrichments is not None:
            enriched = float(question.enrichments[feature, concept])
        passed = wins and still and (question.enrichments is None or enriched >= LET_THROUGH)
        row = {
            "name": targets.concepts[concept] if passed else "",
            "score": float(scores[concept]),
            "runner_up": targets.concepts[runner_up],
            "runner_up_score": float(scores[runner_up]),
            "lets_through": enriched,
            "wins": wins,
            "still": still,
            "n_clips": int(present.any(axis=1).sum()),
        }
        heard = [
            {
                "layer": activations.layer,
                "feature": int(activations.features[feature]),
                "clip": int(held[clip]),
                "start": first * question.hop,
                "end": (first + question.excerpt) * question.hop,
            }
            for clip, first in quiet[:N_EXCERPTS]
        ]
        return row, heard


def _blank(question: Question, best: np.ndarray, p: np.ndarray, q: np.ndarray) -> pd.DataFrame:
    """The table before the exam: everything unknown."""
    concepts = question.targets.concepts
    return pd.DataFrame(
        {
            "layer": question.activations.layer,
            "feature": question.activations.features,
            "name": "",
            "candidate": [concepts[number] for number in best],
            "p": p,
            "q": q,
            "score": np.nan,
            "runner_up": "",
            "runner_up_score": np.nan,
            "lets_through": np.nan,
            "wins": False,
            "still": False,
            "n_clips": 0,
        }
    )
