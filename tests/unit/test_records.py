"""A results folder knows what is missing, what was changed, and how each file came to be."""

import json
import os
import re
import shutil

import numpy as np
import pytest
import soundfile

from auralise.audio import read_facts, write_audio
from auralise.cli.main import main
from auralise.containers import append_comment, read_comment
from auralise.errors import ResultsError
from auralise.experiment.origins import origin_of
from auralise.experiment.records import (
    Record,
    Results,
    count_making,
    noted_making,
    record_path,
    refuse_damaged,
    write_record,
)
from auralise.files import sha256_of_file
from auralise.stft import Stft


def job(results, rule, outputs, inputs=(), made=1, temporary=(), **wildcards):
    """Record a job as the workflow does; its outputs must be there."""
    path = record_path(results, rule, wildcards.values())
    record = Record(rule, wildcards, made, temporary=temporary, settings={"layers": [1, 2]})
    write_record(results, path, record, outputs, inputs)
    return path


@pytest.fixture
def results(tmp_path):
    """A table, made from a song outside; a folder of two sounds, made from the table."""
    folder = tmp_path / "results/bands"
    (folder / "sounds/n-0/a song").mkdir(parents=True)
    (tmp_path / "song.wav").write_bytes(b"song")
    (folder / "table.csv").write_bytes(b"layer,feature\n1,2\n")
    for name in ("one.wav", "two.wav"):
        (folder / "sounds/n-0/a song" / name).write_bytes(name.encode() * 100)
    job(folder, "tabulate", [folder / "table.csv"], [tmp_path / "song.wav"])
    sounds = folder / "sounds/n-0/a song"
    job(folder, "auralise_song", [sounds], [folder / "table.csv"], network="n-0", song="a song")
    return folder


def verify(*arguments):
    return main(["verify", *map(str, arguments)])


def flip(path, place=5):
    """Change one bit and leave size and time as they were."""
    times, content = path.stat(), bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def made_again(results, rule, outputs, *wildcards):
    """Whether the workflow would make the outputs again."""
    path = record_path(results, rule, wildcards)
    return count_making(results, path, list(map(str, outputs)), note=False) != noted_making(path)


FILES = ("table.csv", "sounds/n-0/a song/one.wav", "sounds/n-0/a song/two.wav")


class TestVerify:
    def test_whole_results(self, results, capsys):
        assert verify(results) == verify("--deep", results) == 0
        assert verify(results / "table.csv", results / "sounds") == 0
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("name", FILES)
    def test_each_deletion_is_found_and_made_again(self, results, name, capsys):
        (results / name).unlink()
        assert verify(results) == 1
        (line,) = capsys.readouterr().out.splitlines()
        assert f"{name}: missing" in line
        sounds = results / "sounds/n-0/a song"
        assert made_again(results, "tabulate", [results / "table.csv"]) == (name == "table.csv")
        again = made_again(results, "auralise_song", [sounds], "n-0", "a song")
        assert again == (name != "table.csv")

    def test_a_folder_that_is_gone(self, results, capsys):
        shutil.rmtree(results / "sounds")
        assert verify(results) == 1
        assert len(capsys.readouterr().out.splitlines()) == 2
        assert made_again(
            results, "auralise_song", [results / "sounds/n-0/a song"], "n-0", "a song"
        )

    @pytest.mark.parametrize("name", FILES)
    def test_each_flipped_bit_is_found_by_reading(self, results, name, capsys):
        for place in range(0, (results / name).stat().st_size, 70):
            flip(results / name, place)
            assert verify(results) == 0
            assert verify("--deep", results) == verify("--deep", results / name) == 1
            flip(results / name, place)
        assert f"{name}: changed" in capsys.readouterr().out

    def test_another_size_or_another_content_of_another_time_is_found_quickly(self, results):
        path = results / "table.csv"
        content = path.read_bytes()
        path.write_bytes(content + b"1,3\n")
        assert verify(results) == 1
        path.write_bytes(content.replace(b"2", b"3"))
        assert verify(results) == 1

    def test_a_copy_without_times_is_whole(self, results, tmp_path):
        shutil.copytree(results, tmp_path / "copy", copy_function=shutil.copyfile)
        assert verify(tmp_path / "copy") == 0

    def test_what_may_be_gone_is_not_missing_but_must_not_change(self, results):
        path = results / "maps.h5"
        path.write_bytes(b"maps")
        job(results, "deconvolve_song", [path], temporary=[str(path)])
        flip(path, 0)
        assert verify("--deep", results) == 1
        path.unlink()
        assert verify("--deep", results) == 0
        assert not made_again(results, "deconvolve_song", [path])

    def test_results_of_other_inputs_are_named(self, results, capsys):
        (results / "table.csv").write_bytes(b"another")
        job(results, "tabulate", [results / "table.csv"])
        assert verify(results) == 1
        assert "one.wav: made from another table.csv than is there" in capsys.readouterr().out

    def test_a_damaged_record_is_named_and_what_it_is_about_made_again(self, results, capsys):
        path = record_path(results, "tabulate")
        whole = path.read_text()
        for content in ("", "[]", "{}", whole[:-20], whole.replace("made", "m"), "[" * 10_000):
            path.write_text(content)
            assert verify(results) == 1
            assert "tabulate.json: the record is damaged" in capsys.readouterr().out
        outputs = [str(results / "table.csv")]
        assert count_making(results, path, outputs, note=True) != 1 == noted_making(path) + 1

    @pytest.mark.slow
    def test_each_flipped_bit_of_a_record_is_found(self, results):
        path = record_path(results, "tabulate")
        for place in range(path.stat().st_size):
            flip(path, place)
            assert list(Results(results).faults()), place
            flip(path, place)
        assert not list(Results(results).faults())

    def test_a_record_that_is_gone_is_named_by_what_was_made_from_its_files(self, results, capsys):
        record_path(results, "tabulate").unlink()
        assert verify(results) == 1
        assert "table.csv: no record says how it was made; run again" in capsys.readouterr().out

    def test_a_record_is_missed_if_all_is_read_though_nothing_was_made_from_its_files(
        self, results, capsys
    ):
        record_path(results, "auralise_song", ("n-0", "a song")).unlink()
        (results / "logs").mkdir()
        (results / "logs/run.txt").touch()
        assert verify(results) == 0
        capsys.readouterr()
        assert verify("--deep", results) == 1
        (said,) = [line for line in capsys.readouterr().out.splitlines() if "no record" in line]
        assert said.startswith(f"{results}/sounds: ")  # the folder, and not each of its files
        sounds = results / "sounds/n-0/a song"
        assert made_again(results, "auralise_song", [sounds], "n-0", "a song")

    def test_a_record_of_an_earlier_version_is_read(self, results):
        path = record_path(results, "tabulate")
        path.write_text(re.sub(r',\n "sealed": .*', "", path.read_text()))
        assert verify("--deep", results) == 0

    def test_nothing_to_verify(self, tmp_path, results, capsys):
        assert verify(tmp_path / "song.wav") == verify(tmp_path / "nowhere") == 2
        assert verify(tmp_path / "song.wav", results) == 1
        assert "no record says" in capsys.readouterr().err


class TestMaking:
    """The number by which the workflow decides is stable but for one step at each loss."""

    def test_whole_files_keep_their_number(self, results):
        path, outputs = record_path(results, "tabulate"), [str(results / "table.csv")]
        assert count_making(results, path, outputs, note=True) == noted_making(path) == 1

    def test_a_loss_is_one_step_until_the_job_has_run(self, results):
        path, output = record_path(results, "tabulate"), results / "table.csv"
        output.unlink()
        for _ in range(3):
            assert count_making(results, path, [str(output)], note=True) == 2
        assert noted_making(path) == 2  # what the job itself is told
        assert verify(results) == 1
        output.write_text("made again")
        job(results, "tabulate", [output], made=2)
        assert count_making(results, path, [str(output)], note=True) == 2

    def test_a_first_run_and_results_from_before_there_were_records(self, tmp_path):
        path, output = record_path(tmp_path, "any"), tmp_path / "any.csv"
        assert count_making(tmp_path, path, [str(output)], note=True) == noted_making(path) == 1
        output.touch()
        assert count_making(tmp_path, path, [str(output)], note=True) == noted_making(path) == 0

    def test_a_dry_run_writes_nothing(self, results):
        (results / "table.csv").unlink()
        path = record_path(results, "tabulate")
        before = path.read_bytes()
        assert count_making(results, path, [str(results / "table.csv")], note=False) == 2
        assert path.read_bytes() == before


class TestProvenance:
    def test_a_file_of_an_experiment(self, results, tmp_path, capsys):
        assert main(["provenance", str(results / "sounds/n-0/a song/one.wav")]) == 0
        told = json.loads(capsys.readouterr().out)["record"]
        assert told["rule"] == "auralise_song" and told["unchanged"] is True
        assert told["wildcards"] == {"network": "n-0", "song": "a song"}
        assert told["inputs"] == {"table.csv": sha256_of_file(results / "table.csv")}
        assert told["settings"] == {"layers": [1, 2]} and "numpy" in told["versions"]
        flip(results / "table.csv")
        assert origin_of(results / "table.csv")["record"]["unchanged"] is False

    def test_a_sound_found_alone(self, tmp_path):
        samples = np.sin(np.arange(11025)).astype(np.float32) / 2
        facts = {"song": "Größe", "config": {"features": list(range(5000))}}
        for name in ("a.wav", "b.wav"):
            write_audio(tmp_path / name, samples, 11025, facts)
        assert origin_of(tmp_path / "a.wav")["facts"] == facts
        assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()

    @pytest.mark.slow
    def test_readers_find_the_same_sound_with_and_without_a_comment(self, tmp_path, recwarn):
        import wave

        import librosa
        from scipy.io import wavfile

        samples = np.sin(np.arange(11025)).astype(np.float32) / 2
        write_audio(tmp_path / "plain.wav", samples, 11025)
        write_audio(tmp_path / "told.wav", samples, 11025, {"a": "b" * 100_000})
        for read in (
            lambda path: soundfile.read(path)[0],
            lambda path: wavfile.read(path)[1],
            lambda path: np.frombuffer(wave.open(str(path)).readframes(20_000), "<i2"),
            lambda path: librosa.load(path, sr=None)[0],
        ):
            found, plain = read(tmp_path / "told.wav"), read(tmp_path / "plain.wav")
            assert len(found) == 11025 and (found == plain).all()
        assert not [w for w in recwarn if "chunk" in str(w.message).lower()]
        assert read_facts(tmp_path / "plain.wav") is None

    @pytest.mark.parametrize("n", [0, 1, 2, 3])
    def test_comments_of_any_length(self, tmp_path, n):
        soundfile.write(tmp_path / "a.wav", np.zeros(11 + n), 8000, "PCM_U8")
        append_comment(tmp_path / "a.wav", "x" * n)
        assert read_comment(tmp_path / "a.wav") == "x" * n
        assert len(soundfile.read(tmp_path / "a.wav")[0]) == 11 + n

    def test_maps_say_it_themselves(self, tmp_path):
        from auralise.maps import Origin, create_maps, open_maps

        origin = Origin("song", "net", "ab", {"layers": [1]}, ("taken",), "cd")
        path, stft = tmp_path / "song.h5", Stft()
        with create_maps(path, stft, 2560, {1: [0]}, origin, np.ones(stft.n_bins)):
            pass
        with open_maps(path) as maps:
            assert maps.origin == origin
        facts = origin_of(path)["facts"]
        assert facts["config"] == {"layers": [1]} and facts["song_sha256"] == "cd"

    def test_a_file_of_which_nothing_is_known(self, tmp_path):
        for content in (
            b"",
            b"text",
            b"RIFF",
            b"RIFF\xff\xff\xff\xffWAVELIST\xff\xff\xff\xffINFOICMT",
        ):
            (tmp_path / "a.wav").write_bytes(content)
            with pytest.raises(ResultsError, match="does not say how it came to be"):
                origin_of(tmp_path / "a.wav")
        with pytest.raises(ResultsError, match="no such file"):
            origin_of(tmp_path / "missing.wav")


class TestInputs:
    def test_a_result_made_from_a_flipped_input_is_refused(self, results):
        (results / "page.html").write_text("page")
        for path in (results / "table.csv", results / "sounds/n-0/a song/two.wav"):
            flip(path)
            with pytest.raises(ResultsError, match=f"{path.name} is damaged.*delete it and run"):
                job(results, "page", [results / "page.html"], [path])
            with pytest.raises(ResultsError, match=f"{path.name} is damaged"):
                job(results, "page", [results / "page.html"], [results / path])
            flip(path)
        job(results, "page", [results / "page.html"], [results / "table.csv"])

    def test_one_in_a_folder(self, results):
        (results / "page.html").write_text("page")
        job(results, "page", [results / "page.html"], [results / "sounds/n-0/a song"])
        flip(results / "sounds/n-0/a song/two.wav")
        with pytest.raises(ResultsError, match="two.wav is damaged"):
            job(results, "page", [results / "page.html"], [results / "sounds/n-0/a song"])

    def test_what_was_edited_by_hand_is_used_and_told(self, results, caplog):
        (results / "table.csv").write_text("mine")
        (results / "page.html").write_text("page")
        job(results, "page", [results / "page.html"], [results / "table.csv"])
        assert "table.csv was changed since it was made; used as it is" in caplog.text

    def test_inputs_of_a_job_that_failed(self, results):
        refuse_damaged(
            results, [results / "table.csv", results / "sounds/n-0/a song", "/etc/passwd"]
        )
        (results / "table.csv").unlink()
        with pytest.raises(ResultsError, match="table.csv is missing; run again"):
            refuse_damaged(results, [results / "table.csv"])


def test_many_inputs_are_not_read_again(results, monkeypatch):
    """Where inputs are large, hashes that are known and still true are taken."""
    monkeypatch.setattr("auralise.experiment.records.MUCH", 0)
    read = []

    def spy(path):
        read.append(path.name)
        return sha256_of_file(path)

    monkeypatch.setattr("auralise.experiment.records.sha256_of_file", spy)
    (results / "page.html").write_text("page")
    job(
        results,
        "page",
        [results / "page.html"],
        [results / "table.csv", results / "sounds/n-0/a song"],
    )
    assert read == ["page.html"]
    assert Results(results).record_of(results / "page.html").inputs["table.csv"] == sha256_of_file(
        results / "table.csv"
    )
