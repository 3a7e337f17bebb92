"""What is known and noted of features: levels, tables, labels."""

import logging

import numpy as np
import pytest

from auralise.errors import AuraliseError
from auralise.features import read_labels, relative_levels
from auralise.maps import Origin

ORIGIN = Origin("blues", "square-0", "0123456789ab" + "c" * 52, {})
HEAD = "weights,network,song,layer,feature,note,blind,added\r\n"


def write_labels(path, *rows):
    path.write_bytes((HEAD + "".join(f"{row}\r\n" for row in rows)).encode())
    return path


def test_a_level_is_relative_to_the_loudest_live_feature():
    live = np.array([True, True, False])
    assert relative_levels(np.array([0.5, 0.05, 9.0]), live).tolist() == [0, -20, -np.inf]
    assert relative_levels(np.zeros(2)).tolist() == [-np.inf, -np.inf]


class TestLabels:
    def test_notes_on_this_song_come_before_those_on_another(self, tmp_path):
        path = write_labels(
            tmp_path / "labels.csv",
            '0123456789ab,square-0,blues,2,3,"snare, ""dry""\nsecond line",false,2026-01-01',
            "0123456789ab,square-0,jazz,2,3,brushes,false,2026-01-01",
            "0123456789ab,square-0,jazz,1,0,NA,false,2026-01-01",
            "0123456789ab,square-0,blues,1,1,,true,2026-01-01",
            "ffffffffffff,square-0,blues,1,2,of a network trained before,false,2026-01-01",
        )
        assert read_labels(path, ORIGIN) == {
            (2, 3): 'snare, "dry"\nsecond line', (1, 0): "NA", (1, 1): "★",
        }  # fmt: skip

    def test_a_hash_of_digits_stays_text_and_a_short_one_names_no_network(self, tmp_path):
        row = "{},square-0,blues,1,0,a note,false,2026-01-01"
        digits = Origin("blues", "square-0", "001234567890" + "c" * 52, {})
        path = write_labels(tmp_path / "labels.csv", row.format("001234567890"))
        assert read_labels(path, digits) == {(1, 0): "a note"}
        assert read_labels(write_labels(path, row.format("0012")), digits) == {}

    def test_labels_of_other_weights_alone_are_told(self, tmp_path, caplog):
        path = write_labels(
            tmp_path / "labels.csv", "ffffffffffff,square-0,blues,1,0,old,false,2026-01-01"
        )
        with caplog.at_level(logging.WARNING):
            assert read_labels(path, ORIGIN) == {}
        assert "none of its 1 labels is of the weights of square-0 (0123456789ab)" in caplog.text

    @pytest.mark.parametrize("text", ["a,b\n1,2\n", "", HEAD + "ffffffffffff,n,s,one,0,x,,\n"])
    def test_another_table_is_refused(self, tmp_path, text):
        path = tmp_path / "labels.csv"
        path.write_text(text)
        with pytest.raises(AuraliseError, match="not a table of labels"):
            read_labels(path, ORIGIN)
        with pytest.raises(AuraliseError, match="export it from the listening page"):
            read_labels(tmp_path / "none.csv", ORIGIN)
