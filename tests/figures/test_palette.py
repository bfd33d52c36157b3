"""The palette is readable: contrast on both pages, colour vision, greyscale; and one look for each name."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from src.figures.canvas import look, new_figure, save
from src.figures.palette import COLOURS, DARK, DASHES, LIGHT, MARKERS, SYMBOLS, family, style, styles

CONF = Path(__file__).resolve().parents[2] / "conf" / "model"
NAMES = sorted(p.stem for p in CONF.glob("*.yaml") if not p.stem.startswith("base"))

# Machado, Oliveira and Fernandes (2009), severity 1.0: what a colour looks like without one kind of cone.
DEFICIENCY = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, 1.4.11."""
    low, high = sorted(float(np.dot([0.2126, 0.7152, 0.0722], linear(c))) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_measure_of_contrast_is_the_standard_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the grey that just misses 4.5


@pytest.mark.parametrize("page", [LIGHT["page"], DARK["page"]])
@pytest.mark.parametrize("colour", sorted({c for shades in COLOURS.values() for c in shades}))
def test_every_colour_stands_out_on_both_pages(colour: str, page: str) -> None:
    assert contrast(colour, page) >= 3


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_stands_out(theme: dict[str, str]) -> None:
    for page in (theme["page"], theme["band"]):
        assert contrast(theme["ink"], page) >= 7
        assert contrast(theme["faint"], page) >= 4.5


@pytest.mark.parametrize("kind", sorted(DEFICIENCY))
@pytest.mark.parametrize("pair", list(itertools.combinations(COLOURS, 2)), ids="-".join)
def test_cells_differ_for_every_kind_of_colour_vision(pair: tuple[str, str], kind: str) -> None:
    a, b = (lab(np.array(DEFICIENCY[kind]) @ linear(COLOURS[cell][0])) for cell in pair)
    assert np.linalg.norm(a - b) > 15  # several times what the eye just tells apart


def test_red_and_green_would_fail() -> None:
    a, b = (lab(np.array(DEFICIENCY["deutan"]) @ linear(c)) for c in ("#8F5B00", "#5B7A00"))
    assert np.linalg.norm(a - b) < 15


def test_cells_differ_without_colour() -> None:
    assert len({DASHES[cell] for cell in DASHES}) == len(DASHES)
    for a, b in itertools.combinations(("gru", "lstm", "rnn"), 2):
        assert not set(MARKERS[a]) & set(MARKERS[b])
    assert {m for markers in MARKERS.values() for m in markers} <= set(SYMBOLS)


def test_names_of_one_figure_look_different_in_any_order() -> None:
    looks = styles(NAMES)
    assert len(set(looks.values())) == len(NAMES)
    assert looks == styles(reversed(NAMES))


def test_few_names_have_few_colours_in_common_and_each_its_own_look() -> None:
    looks = styles(["gru", "gru_bi", "lstm", "lstm_bi", "rnn"])
    assert len({look.colour for look in looks.values()}) == 5
    assert all(looks[name] == style(name) for name in ("gru", "lstm", "rnn"))


def test_the_papers_cells_look_like_the_plain_ones() -> None:
    for name in ("gru", "lstm", "rnn"):
        assert styles(["gru_chung", "lstm_chung", "rnn_chung"])[f"{name}_chung"] == style(name)


def test_families() -> None:
    assert [family(n) for n in ("gru_bi", "my.LSTM", "rnn", "tanh", "TCN")] == ["gru", "lstm", "rnn", "rnn", "other"]


def test_a_look_does_not_change_between_processes() -> None:
    assert style("TCN").colour == "#8F7330", "hash() of a string would change it"


def test_files_are_the_same_for_the_same_picture(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with look():
            figure = new_figure(3, 2)
            figure.subplots().plot([0, 1], [0, 1], color=style("gru").colour, label="gru")
        svg, png = save(figure, tmp_path / name)
    assert svg.read_bytes() == (tmp_path / "a.svg").read_bytes()
    assert png.read_bytes() == (tmp_path / "a.png").read_bytes()
    assert re.search(r"stroke: ?#0072b2", svg.read_text(), re.IGNORECASE)
