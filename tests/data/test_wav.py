"""WAV files of every width read to the same samples; broken ones named."""

import struct
import wave

import numpy as np
import pytest
from scipy.io import wavfile

from src.config.errors import UserError
from src.data.waveform import read_wav, read_wav_folder

SAMPLES = np.array([0, 1, -1, 1000, -32768, 32767, 256, -512], dtype=np.int16)


def write_24_bit(path, samples, rate=8000):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(3)
        out.setframerate(rate)
        out.writeframes(b"".join(struct.pack("<i", int(s) << 8)[:3] for s in samples))


def test_all_widths_are_counted_in_steps_of_16_bits(tmp_path):
    wavfile.write(tmp_path / "16.wav", 8000, SAMPLES)
    write_24_bit(tmp_path / "24.wav", SAMPLES)
    wavfile.write(tmp_path / "32.wav", 8000, SAMPLES.astype(np.int32) * 2**16)
    wavfile.write(tmp_path / "float.wav", 8000, (SAMPLES / 2**15).astype(np.float32))
    wavfile.write(tmp_path / "double.wav", 8000, SAMPLES / 2**15)
    for name in ("16", "24", "32", "float", "double"):
        rate, samples = read_wav(tmp_path / f"{name}.wav")
        assert rate == 8000
        np.testing.assert_array_equal(samples, SAMPLES)
        assert samples.dtype == (np.int16 if name == "16" else np.float32)


def test_8_bits_are_unsigned(tmp_path):
    wavfile.write(tmp_path / "8.wav", 8000, np.array([0, 127, 128, 129, 255], dtype=np.uint8))
    assert read_wav(tmp_path / "8.wav")[1].tolist() == [-32768, -256, 0, 256, 32512]


def test_channels_become_their_mean(tmp_path):
    wavfile.write(tmp_path / "stereo.wav", 8000, np.array([[100, 300], [-5, 4]], dtype=np.int16))
    assert read_wav(tmp_path / "stereo.wav")[1].tolist() == [200.0, -0.5]


def test_another_sampling_rate_is_named(tmp_path):
    for name, rate in (("a", 8000), ("b", 8000), ("c", 16000)):
        wavfile.write(tmp_path / f"{name}.wav", rate, SAMPLES)
    with pytest.raises(UserError, match=r"c\.wav has 16000 samples per second, but .*a\.wav has 8000"):
        read_wav_folder(tmp_path)
    with pytest.raises(UserError, match=r"a\.wav has 8000 .* trained on 16000"):
        read_wav_folder(tmp_path / "a.wav", 16000)
    (tmp_path / "c.wav").unlink()
    rate, recordings = read_wav_folder(tmp_path)
    assert (rate, list(recordings)) == (8000, ["a.wav", "b.wav"])


@pytest.mark.parametrize("content", [b"ID3 no wave at all", b"RIFF\x04\x00\x00\x00WAVE"])
def test_what_is_no_wav_file_is_named(tmp_path, content):
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.wav cannot be read"):
        read_wav(tmp_path / "x.wav")


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 6, 7, 400])
@pytest.mark.parametrize("riff", [0, 0xFFFFFFFF, 44])
def test_a_header_that_tells_another_length_is_read_to_the_end_and_it_is_said(tmp_path, caplog, claimed, riff):
    wavfile.write(tmp_path / "x.wav", 8000, SAMPLES)
    raw = (tmp_path / "x.wav").read_bytes()
    at = raw.index(b"data") + 4
    (tmp_path / "x.wav").write_bytes(
        raw[:4] + struct.pack("<I", riff) + raw[8:at] + struct.pack("<I", claimed) + raw[at + 4 :]
    )
    np.testing.assert_array_equal(read_wav(tmp_path / "x.wav")[1], SAMPLES)
    assert f"the header announces {claimed} bytes of samples" in caplog.text


@pytest.mark.parametrize("missing", [3, 10])
def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path, caplog, missing):
    wavfile.write(tmp_path / "x.wav", 8000, SAMPLES)
    (tmp_path / "x.wav").write_bytes((tmp_path / "x.wav").read_bytes()[:-missing])
    np.testing.assert_array_equal(read_wav(tmp_path / "x.wav")[1], SAMPLES[: (16 - missing) // 2])
    assert "the header announces 16 bytes" in caplog.text


def test_no_samples_and_samples_that_are_no_numbers_are_refused(tmp_path):
    (tmp_path / "x.wav").touch()
    with pytest.raises(UserError, match=r"x\.wav is empty \(0 bytes\)"):
        read_wav(tmp_path / "x.wav")
    wavfile.write(tmp_path / "empty.wav", 8000, SAMPLES[:0])
    with pytest.raises(UserError, match="no samples"):
        read_wav(tmp_path / "empty.wav")
    wavfile.write(tmp_path / "nan.wav", 8000, np.array([0, 1, np.nan, np.inf], dtype=np.float32))
    with pytest.raises(UserError, match="the first at index 2"):
        read_wav(tmp_path / "nan.wav")


def test_further_chunks_do_no_harm(tmp_path):
    wavfile.write(tmp_path / "x.wav", 8000, SAMPLES)
    content = (tmp_path / "x.wav").read_bytes() + b"bext\x04\x00\x00\x00abcd"
    (tmp_path / "x.wav").write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    np.testing.assert_array_equal(read_wav(tmp_path / "x.wav")[1], SAMPLES)
