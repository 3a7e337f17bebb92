"""Networks stand beside the untrained controls of their own architecture."""

import pandas as pd

from auralise.attributes.families import split_families


def table(*networks):
    return pd.DataFrame({"network": networks, "correlation": range(len(networks))})


def test_each_family_has_its_controls_under_the_common_name_and_the_input():
    networks = ["square-0", "wide-0", "tagger", "untrained-0", "tagger-untrained-0", "input"]
    controls = {"square": "untrained", "tagger": "tagger-untrained"}
    first, second = split_families(table(*networks), controls)
    assert first.table["network"].tolist() == ["square-0", "wide-0", "untrained-0", "input"]
    assert second.table["network"].tolist() == ["tagger", "untrained-0", "input"]
    assert second.table["correlation"].tolist() == [2, 4, 5]  # its own control's
    assert second.named(second.table)["network"].tolist() == [
        "tagger",
        "tagger-untrained-0",
        "input",
    ]


def test_one_family_is_the_table_itself():
    whole = table("square-0", "untrained-0", "input")
    (family,) = split_families(whole, {"square": "untrained"})
    pd.testing.assert_frame_equal(family.table, whole)
    pd.testing.assert_frame_equal(family.named(whole), whole)
