"""Does naming speak where there is something, and keep silent where there is nothing?

Run from the root of the repository: ``python -m benchmarks.planted``; it needs no results of a run.
Features whose names are known are planted among untrained ones, at random places in layers 1 and 3,
with random gains and noise on their kernels; and the same procedure is run on masks of other clips
and on untrained networks. Every row stands on seeds of its own.

What each plant hears: the clip, or the clip with nothing left of it but a band or one concept's own
cells, since no kernel of 3 × 3 can tell the bass from other low sounds. In layer 3 the kernel
stands in layer 1, and single weights of layers 2 and 3 hand on what it finds.
"""

import argparse
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.dissection.activations import Activations, Targets, measure
from auralise.dissection.concepts import REGISTER_NAMES
from auralise.dissection.exam import Exam, exam_of, render_exam
from auralise.dissection.learned import learned_by_chance
from auralise.dissection.naming import Naming, Question
from auralise.dissection.networks import choose_clips, score_untrained
from auralise.dissection.plants import (
    CENTRE,
    KICK,
    ONSET,
    PUBLISHED_ONSET,
    PUBLISHED_SUPPRESSOR,
    Plant,
)
from auralise.dissection.scores import energy_inside, enrichment
from auralise.networks.front_end_steps import LogScaling
from auralise.networks.genre import Architecture, build_network
from auralise.networks.initialisation import INITIALISATIONS, initialise
from auralise.stft import Stft

N_FEATURES = 16
NOISE = 0.1  # of a kernel's norm
GAINS = (0.1, 10.0)
N_CLIPS, N_HEARD = 60, 12
N_CHANCES = 20
LAYERS = (1, 3)
BAND = REGISTER_NAMES[3]
PLANTS = (
    ONSET,
    Plant("attack suppressor", ((-1,) * 3, (2,) * 3, (-1,) * 3), "sustained sound"),
    Plant("bass", CENTRE, "bass", "bass"),
    Plant("band", CENTRE, BAND, BAND),
    KICK,
    PUBLISHED_ONSET,
    PUBLISHED_SUPPRESSOR,
)


def plant_network(rng: np.random.Generator, depth: int) -> tuple[nn.Sequential, np.ndarray]:
    """Layers of random kernels with all of `PLANTS` among the features of the last one.

    Returns
    -------
    network : torch.nn.Sequential
        As `auralise.networks.genre.build_network` calls its parts.
    places : ndarray of int, shape (n_plants,)
        Which features of the last layer are the plants.
    """
    convolutions = [
        nn.Conv2d(n, N_FEATURES, 3, padding="same", bias=False)
        for n in (1, *(N_FEATURES,) * (depth - 1))
    ]
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    for convolution in convolutions:
        nn.init.kaiming_normal_(convolution.weight, generator=generator)
    places = np.stack([rng.permutation(N_FEATURES)[: len(PLANTS)] for _ in convolutions])
    for number, plant in enumerate(PLANTS):
        before = None
        for convolution, place in zip(convolutions, places[:, number], strict=True):
            kernel = np.zeros(convolution.weight.shape[1:], np.float32)
            kernel[0 if before is None else before] = plant.kernel if before is None else CENTRE
            noise = rng.normal(size=kernel.shape)
            kernel += NOISE * np.linalg.norm(kernel) * noise / np.linalg.norm(noise)
            is_last = convolution is convolutions[-1]
            gain = np.exp(rng.uniform(*np.log(GAINS))) if is_last else 1.0
            with torch.no_grad():
                convolution.weight[int(place)] = torch.from_numpy(gain * kernel).float()
            before = int(place)
    stages: list[nn.Module] = [LogScaling()]
    for convolution in convolutions:
        stages += [convolution, nn.ReLU(), nn.MaxPool2d(2)]
    network = nn.Sequential(OrderedDict(convolutional=nn.Sequential(*stages)))
    return network.eval(), places[-1]


def heard_by(exam: Exam, concept: str) -> Exam:
    """The exam with nothing left of its clips but a concept's own cells."""
    if not concept:
        return exam
    masks = exam.masks[:, exam.concepts.index(concept)]
    return replace(exam, magnitudes=exam.magnitudes * masks)


def plant(exam: Exam, seed: int) -> list[tuple[Question, np.ndarray]]:
    """Layers 1 and 3 of a network with plants: what is asked, and where the plants are."""
    clips = choose_clips(exam, N_HEARD)
    powers = np.square(exam.magnitudes).sum(axis=1)
    asked = []
    for depth in LAYERS:
        network, places = plant_network(np.random.default_rng([seed, depth]), depth)
        explainer = Deconvnet(network)
        found = {
            hears: measure(explainer, heard_by(exam, hears))[-1]
            for hears in {of.hears for of in PLANTS}
        }
        own = found[""]
        values, levels = own.values.copy(), own.levels.copy()
        # What the others let through is not looked at.
        enrichments = np.ones((N_FEATURES, len(exam.concepts)))
        for of, place in zip(PLANTS, places.tolist(), strict=True):
            values[place] = found[of.hears].values[place]
            levels[place] = found[of.hears].levels[place]
            enrichments[place] = _enrichment(explainer, exam, of.hears, clips, depth, place)
        activations = Activations(depth, np.arange(len(values)), own.cells, values, levels)
        targets = Targets.of(exam, own.cells)
        question = Question(
            activations, targets, exam.held_out, exam.present, powers, exam.hop, enrichments
        )
        asked.append((question, places))
    return asked


def _enrichment(
    explainer: Deconvnet, exam: Exam, hears: str, clips: Sequence[int], layer: int, feature: int
) -> np.ndarray:
    heard = heard_by(exam, hears)
    n_concepts = len(exam.concepts)
    inside, song = np.zeros((1, n_concepts)), np.zeros(n_concepts)
    total, whole = np.zeros(1), 0.0
    n_frames = round(2.0 / exam.hop)
    for clip in clips:
        magnitude, masks = exam.magnitudes[clip, :, :n_frames], exam.masks[clip, ..., :n_frames]
        maps = explainer.deconvolve(heard.magnitudes[clip, :, :n_frames], layer, [feature])
        own, of_all = energy_inside(maps, magnitude, masks)
        base, of_song = energy_inside(np.ones_like(maps), magnitude, masks)
        inside, total = inside + own, total + of_all
        song, whole = song + base[0], whole + of_song[0]
    return enrichment(inside, total, song, whole)[0]


def examine_plants(seeds: Sequence[int]) -> tuple[pd.DataFrame, np.ndarray]:
    """What became of every plant, and shares named with masks of other clips, by draw."""
    rows, chances = [], []
    for seed in seeds:
        exam = exam_of(*render_exam(N_CLIPS, 4.0, Stft(), seed, 2), Stft())
        for question, places in plant(exam, seed):
            layer = Naming(question, seed)
            table = layer.names()[0].set_index("feature")
            for of, place in zip(PLANTS, places, strict=True):
                row = table.loc[place].to_dict()
                rows.append({"seed": seed, "plant": of.what, "right": of.right, **row})
            chance = [layer.names_by_chance(k)["name"] != "" for k in range(N_CHANCES)]
            chances += [draw.mean() for draw in chance]
    table = pd.DataFrame(rows)
    return table.assign(is_right=table["name"] == table["right"]), np.array(chances)


def share_learned(exam: Exam, n_networks: int, first_seed: int) -> np.ndarray:
    """Share of features marked learned of each untrained network, against the others."""
    architecture = Architecture(
        ((3, 3),) * 4, (N_FEATURES,) * 4, (0.0,) * 4, scaling="log", initialisation="he"
    )

    def untrained(seed: int) -> Deconvnet:
        network = build_network(architecture, *exam.magnitudes.shape[1:], 10)
        return Deconvnet(initialise(network, INITIALISATIONS["he"], first_seed + seed))

    layers = score_untrained(untrained, exam, n_networks)
    return np.hstack([learned_by_chance(layer) for layer in layers]).mean(axis=1)


def rows(
    seeds: Sequence[int] = range(100, 110), n_networks: int = 60, first_seed: int = 1000
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the table, and below it what became of every plant.

    Parameters
    ----------
    seeds : sequence of int
        Of clips and networks with plants.
    n_networks, first_seed : int
        Untrained networks, 4 layers × `N_FEATURES` features.

    Returns
    -------
    table : DataFrame
        ``what, found, wanted, n, holds``.
    plants : DataFrame
    """
    plants, chances = examine_plants(seeds)
    exam = exam_of(*render_exam(N_CLIPS, 4.0, Stft(), first_seed, 2), Stft())
    marked = share_learned(exam, n_networks, first_seed)
    lines = []
    for layer, own in plants.groupby("layer"):
        lines.append((f"planted features of layer {layer} named right", own["is_right"], 0.95))
    lines.append(("features named with masks of other clips", chances, -0.01))
    lines.append(("untrained features marked learned", marked, -0.01))
    table = [
        {
            "what": what,
            "found": float(np.mean(values)),
            "wanted": f"≥ {bound:.0%}" if bound > 0 else f"≤ {-bound:.0%}",
            "n": len(values),
            "holds": bool(np.mean(values) >= bound if bound > 0 else np.mean(values) <= -bound),
        }
        for what, values, bound in lines
    ]
    return pd.DataFrame(table), plants


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="networks with plants")
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--networks", type=int, default=60, help="untrained networks")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    table, plants = rows(seeds, arguments.networks, 10 * arguments.first_seed)
    print(table.to_string(index=False))
    print()
    wrong = plants[~plants["is_right"]]
    columns = ["seed", "layer", "plant", "candidate", "q", "score", "runner_up"]
    columns += ["runner_up_score", "lets_through", "wins", "still"]
    print(plants.groupby(["layer", "plant"])["is_right"].mean().unstack(0).to_string())
    print(wrong[columns].round(3).to_string(index=False))


if __name__ == "__main__":
    main()
