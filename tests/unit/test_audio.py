"""Sound files in and out, and the short-time Fourier transform."""

import numpy as np
import pytest
import soundfile

from auralise.audio import create_audio, map_audio, read_audio, read_excerpt, write_audio
from auralise.errors import AudioError, SettingsError
from auralise.excerpts import Excerpt
from auralise.stft import Stft
from tests.conftest import sine


class TestStft:
    def test_is_the_fourier_transform_of_hann_windows_centred_on_their_time(self, stft, song):
        padded = np.pad(song.astype(np.float64), 256)
        frames = np.stack([padded[first : first + 512] for first in range(0, 44100 + 1, 256)])
        expected = np.fft.rfft(frames * np.hanning(513)[:-1]).T
        np.testing.assert_allclose(stft.analyse(song), expected, atol=1e-6 * np.abs(expected).max())

    def test_four_seconds_are_257_bins_and_173_frames(self, stft):
        assert stft.analyse(np.ones(stft.n_samples(4.0))).shape == (257, 173)
        assert stft.n_frames(stft.n_samples(4.0)) == 173

    def test_inverse_restores_the_signal(self, stft, song):
        np.testing.assert_allclose(stft.synthesise(stft.analyse(song), len(song)), song, atol=1e-6)

    def test_a_batch_is_transformed_item_by_item(self, stft, song):
        batch = np.stack([song, song[::-1]])
        np.testing.assert_array_equal(stft.analyse(batch)[1], stft.analyse(song[::-1]))

    def test_axes_are_in_hertz_and_seconds(self, stft):
        peak = np.abs(stft.analyse(sine(1000))).mean(axis=1).argmax()
        assert stft.frequencies[peak] == pytest.approx(1000, abs=11025 / 512 / 2)
        assert stft.times(3)[2] == pytest.approx(512 / 11025)


class TestStftBlockByBlock:
    @pytest.mark.parametrize("grid", [(512, 256), (512, 100), (64, 32)])
    @pytest.mark.parametrize("n_samples", [4001, 5120])
    def test_some_frames_are_those_of_the_whole(self, song, grid, n_samples):
        stft, samples = Stft(11025, *grid), song[:n_samples]
        whole = stft.analyse(samples)
        n_frames = whole.shape[1]
        for first, stop in ((0, 3), (0, n_frames), (5, 11), (n_frames - 2, n_frames)):
            found = Excerpt(samples).spectrum(stft, first, stop)
            np.testing.assert_allclose(found, whole[:, first:stop], atol=1e-5)

    @pytest.mark.parametrize("grid", [(512, 256), (512, 100)])
    @pytest.mark.parametrize("size", [1, 3, 16, 1000])
    def test_blocks_join_to_the_whole_signal(self, song, grid, size):
        stft, samples = Stft(11025, *grid), np.stack([song[:8001], song[8001:16002]])
        # Not the spectrum of any signal, so that every frame's share counts.
        spectrum = stft.analyse(samples) * np.random.default_rng(0).uniform(-1, 1, (257, 1))
        spectrum[..., ::2] = 0
        blocks = (spectrum[..., i : i + size] for i in range(0, spectrum.shape[-1], size))
        joined = np.concatenate(list(stft.synthesise_blocks(blocks, 8001)), axis=-1)
        assert joined.shape == (2, 8001)
        np.testing.assert_allclose(joined, stft.synthesise(spectrum, 8001), atol=1e-6)


class TestReadAudio:
    @pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "au", "aiff", "caf"])
    def test_reads_every_format(self, write_sound, suffix):
        path = write_sound(f"tone.{suffix}", sine(440, 2.0, 22050), 22050)
        samples = read_audio(path, 22050)
        spectrum = np.abs(np.fft.rfft(samples[:22050]))
        assert spectrum.argmax() == 440
        assert samples.dtype == np.float32

    @pytest.mark.parametrize("rate", [8000, 96000])
    def test_resamples(self, write_sound, rate):
        samples = read_audio(write_sound("a.wav", sine(440, 2.0, rate), rate), 11025)
        assert len(samples) == 22050
        assert np.abs(np.fft.rfft(samples[:11025])).argmax() == 440

    def test_averages_channels(self, write_sound):
        left = sine()
        path = write_sound("a.wav", np.column_stack([left, 0.2 * left]), subtype="FLOAT")
        np.testing.assert_allclose(read_audio(path, 11025), 0.6 * left, atol=1e-6)

    @pytest.mark.parametrize("name", ["with space.wav", "Motörhead.wav", 'it\'s "it".wav'])
    def test_names_may_hold_anything(self, write_sound, name):
        assert len(read_audio(write_sound(name, sine()), 11025)) == 11025

    def test_refuses_an_empty_file(self, tmp_path):
        path = tmp_path / "empty.wav"
        path.touch()
        with pytest.raises(AudioError, match="empty.wav: the file is empty"):
            read_audio(path, 11025)

    @pytest.mark.parametrize("name", ["text.mp3", "text.au"])
    def test_refuses_what_is_not_audio(self, tmp_path, name):
        path = tmp_path / name
        path.write_text("Dear diary")
        with pytest.raises(AudioError, match="cannot be read as audio"):
            read_audio(path, 11025)

    def test_refuses_silence(self, write_sound):
        with pytest.raises(AudioError, match="silent"):
            read_audio(write_sound("a.wav", np.zeros(11025)), 11025)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_refuses_what_is_not_finite(self, write_sound, value):
        samples = sine()
        samples[5] = value
        with pytest.raises(AudioError, match="1 of 11025 samples are NaN or infinite"):
            read_audio(write_sound("a.wav", samples, subtype="FLOAT"), 11025)

    def test_a_rate_that_is_none_of_sound_is_refused(self, write_sound):
        path = write_sound("a.wav", sine())
        content = path.read_bytes()
        for rate in (1, 100, 2**31 - 1, 2**31, 2**32 - 1):
            path.write_bytes(content[:24] + rate.to_bytes(4, "little") + content[28:])
            with pytest.raises(AudioError, match="a.wav: .*(samples per second|cannot be read)"):
                read_audio(path, 11025)

    def test_256_channels_are_read(self, write_sound):
        frames = np.repeat(sine()[:, None], 256, axis=1)
        samples = read_audio(write_sound("a.wav", frames), 11025)
        np.testing.assert_allclose(samples, sine(), atol=1e-4)

    def test_one_sample_is_read_and_none_after_resampling_is_refused(self, write_sound):
        assert len(read_audio(write_sound("a.wav", sine()[100:101]), 11025)) == 1
        path = write_sound("b.wav", sine()[100:101], 768_000)
        with pytest.raises(AudioError, match="too short, no sample is left of it at 1000 Hz"):
            read_audio(path, 1000)

    def test_names_that_are_not_utf_8_are_named(self, write_sound):
        path = write_sound("a.wav", sine())
        path = path.rename(path.parent / "caf\udce9.wav")
        with pytest.raises(AudioError, match=r"caf\\udce9.wav: its name is not text in UTF-8"):
            read_audio(path, 11025)

    def test_a_name_that_is_too_long_and_a_folder_are_refused(self, tmp_path):
        with pytest.raises(AudioError, match="cannot be read.*too long|no such file"):
            read_audio(tmp_path / ("x" * 300 + ".wav"), 11025)
        (tmp_path / "folder.wav").mkdir()
        with pytest.raises(AudioError, match="not a plain file"):
            read_audio(tmp_path / "folder.wav", 11025)

    def test_refuses_no_samples(self, write_sound):
        with pytest.raises(AudioError, match="no samples"):
            read_audio(write_sound("a.wav", np.zeros(0)), 11025)


class TestChannels:
    @pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_24"])
    @pytest.mark.parametrize("share", [1.0, 0.999, 0.98])
    def test_channels_that_cancel_are_named(self, write_sound, subtype, share):
        tone = sine()
        path = write_sound("a.wav", np.column_stack([tone, -share * tone]), subtype=subtype)
        with pytest.raises(AudioError, match="channels cancel.*--channel left"):
            read_audio(path, 11025)
        np.testing.assert_allclose(read_audio(path, 11025, "left"), tone, atol=1e-4)
        np.testing.assert_allclose(read_audio(path, 11025, "right"), -share * tone, atol=1e-4)
        side = read_audio(path, 11025, "side")
        np.testing.assert_allclose(side, (1 + share) / 2 * tone, atol=1e-4)

    def test_four_channels_that_cancel_are_named(self, write_sound):
        tone = sine()
        path = write_sound("a.wav", np.column_stack([tone, -tone, tone, -tone]))
        with pytest.raises(AudioError, match="channels cancel"):
            read_audio(path, 11025)

    def test_channels_that_cancel_in_an_excerpt_only_are_no_fault_of_the_song(self, write_sound):
        tone = sine(seconds=3.0)
        other = np.concatenate([-tone[:11025], tone[11025:]])
        assert len(read_audio(write_sound("a.wav", np.column_stack([tone, other])), 11025))

    def test_wide_stereo_is_not_taken_for_it(self, write_sound):
        rng = np.random.default_rng(0)
        mid, side = 0.02 * rng.standard_normal(11025), 0.2 * rng.standard_normal(11025)
        assert len(
            read_audio(write_sound("a.wav", np.column_stack([mid + side, mid - side])), 11025)
        )

    def test_mid_is_half_the_sum_of_two_and_of_one_the_one(self, write_sound):
        tone, other = sine(440), sine(880)
        stereo = write_sound("a.wav", np.column_stack([tone, other]), subtype="FLOAT")
        mono = write_sound("b.wav", tone, subtype="FLOAT")
        np.testing.assert_allclose(read_audio(stereo, 11025, "mid"), (tone + other) / 2, atol=1e-6)
        for channel in ("left", "right", "mid"):
            np.testing.assert_allclose(read_audio(mono, 11025, channel), tone, atol=1e-6)
        with pytest.raises(AudioError, match="b.wav: has one channel"):
            read_audio(mono, 11025, "side")

    def test_a_silent_channel_is_named(self, write_sound):
        path = write_sound("a.wav", np.column_stack([sine(), 0 * sine()]))
        with pytest.raises(AudioError, match="silent in its channel 'right'"):
            read_audio(path, 11025, "right")


@pytest.mark.parametrize("rate", [11025, 22050])
def test_mapped_samples_are_those_that_are_read(write_sound, monkeypatch, rate):
    path = write_sound("tone.wav", sine(440, 2.0, 22050), 22050)
    expected = read_audio(path, rate)
    monkeypatch.setattr("auralise.audio.BLOCK", 1000)
    with map_audio(path, rate) as samples:
        assert isinstance(samples, np.memmap)
        np.testing.assert_allclose(samples, expected, atol=1e-6)
    with pytest.raises(AudioError, match="no such file"), map_audio("missing.wav", rate):
        pass


class TestReadExcerpt:
    def test_begins_where_it_is_told(self, write_sound):
        samples = np.linspace(0, 0.5, 22050, dtype=np.float32)
        excerpt = read_excerpt(write_sound("a.wav", samples), 11025, 1.0, 0.5)
        np.testing.assert_allclose(excerpt, samples[11025:][: round(0.5 * 11025)], atol=1e-4)

    def test_pads_a_short_song_and_says_so(self, write_sound, caplog):
        excerpt = read_excerpt(write_sound("short.wav", sine()), 11025, 0, 4.0)
        assert len(excerpt) == 44100
        assert not excerpt[11025:].any()
        assert "short.wav: only 1.00 s" in caplog.text

    def test_refuses_a_start_behind_the_end(self, write_sound):
        with pytest.raises(AudioError, match=r"lasts 1.00 s, but the excerpt begins at 2 s"):
            read_excerpt(write_sound("a.wav", sine()), 11025, 2.0, 4.0)

    def test_refuses_a_silent_excerpt(self, write_sound):
        samples = np.concatenate([np.zeros(22050, np.float32), sine()])
        with pytest.raises(AudioError, match="silent between 0 s and 1 s"):
            read_excerpt(write_sound("a.wav", samples), 11025, 0.0, 1.0)


class TestWriteAudio:
    def test_writes_16_bit_that_reads_back(self, tmp_path):
        write_audio(tmp_path / "new" / "a.wav", sine(), 11025)
        assert soundfile.info(tmp_path / "new/a.wav").subtype == "PCM_16"
        np.testing.assert_allclose(read_audio(tmp_path / "new/a.wav", 11025), sine(), atol=1e-4)

    def test_warns_of_clipping(self, tmp_path, caplog):
        write_audio(tmp_path / "a.wav", 2 * sine(level=1.0), 11025)
        assert "clipped" in caplog.text

    def test_leaves_nothing_half_written(self, tmp_path):
        with pytest.raises(TypeError):
            write_audio(tmp_path / "a.wav", sine(), "fast")
        assert list(tmp_path.iterdir()) == []


def test_a_file_written_in_blocks_appears_only_when_it_is_whole(tmp_path):
    tone = sine(440)
    with create_audio(tmp_path / "a.wav", 11025) as file:
        file.write(tone[:5000])
        file.write(4 * tone[5000:])
        assert not (tmp_path / "a.wav").exists()
    samples, _ = soundfile.read(tmp_path / "a.wav")
    expected = np.concatenate([tone[:5000], np.clip(4 * tone[5000:], -1, 1)])
    np.testing.assert_allclose(samples, expected, atol=2**-14)
    with pytest.raises(RuntimeError), create_audio(tmp_path / "b.wav", 11025) as file:
        file.write(tone)
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_another_transform_has_its_own_grid():
    stft = Stft(sample_rate=22050, n_fft=1024, hop_length=315)
    assert stft.analyse(np.ones(22050)).shape == (513, stft.n_frames(22050))


def test_windows_that_do_not_overlap_are_refused():
    with pytest.raises(SettingsError, match="hop_length = 300: expected at most half"):
        Stft(n_fft=512, hop_length=300)


@pytest.mark.parametrize(("n_fft", "hop", "remainder"), [(512, 256, 255), (4096, 2048, 2047)])
def test_what_a_mask_leaves_past_the_last_frame_is_no_click(n_fft, hop, remainder):
    """One window's end alone reaches there; divided by it, anything would become loud."""
    stft = Stft(11025, n_fft, hop)
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(10 * hop + remainder).astype(np.float32)
    spectrum = stft.analyse(samples)
    sound = stft.synthesise(spectrum * rng.uniform(-1, 1, spectrum.shape), len(samples))
    assert np.abs(sound[-hop:]).max() < 1.5 * np.abs(sound[:-hop]).max()
    whole = stft.synthesise(spectrum, len(samples))
    np.testing.assert_allclose(whole[:-hop], samples[:-hop], atol=1e-5)
