"""Files damaged at random work, or are told in a short sentence; more of them: benchmarks.fuzz."""

import random

import pytest

from benchmarks.fuzz import fuzz, mutate, targets, try_one


@pytest.mark.slow
def test_damaged_files_of_every_kind_work_or_are_told(tmp_path):
    counts, wrong = fuzz(tmp_path, seed=0, seconds=30)
    assert wrong == []
    assert {kind for kind, _ in counts} == {target.name for target in targets(tmp_path)}


@pytest.mark.slow
def test_whole_files_of_every_kind_work(tmp_path):
    """Else nothing would be found by damaging them."""
    for target in targets(tmp_path):
        for ending, content in target.seeds.items():
            path = tmp_path / f"whole{ending}"
            path.write_bytes(content)
            told_by_design = target.name == "provenance" and ending not in (".h5", ".safetensors")
            assert try_one(target, path) == ("told" if told_by_design else "works"), target.name


def test_damage_is_found_where_it_is_not_told(tmp_path):
    """The search is able to fail."""
    (target, *_) = targets(tmp_path)
    broken = type(target)("sound", target.seeds, lambda path: {}["missing"])
    answer = try_one(broken, tmp_path / "any")
    assert answer.startswith("KeyError at test_fuzz.py")


def test_the_same_seed_damages_alike():
    content, others = bytes(range(256)) * 4, [b"other" * 50]
    first, again = (
        [mutate(content, others, rng) for _ in range(50)]
        for rng in (random.Random(3), random.Random(3))
    )
    assert first == again and len(set(first)) > 40
