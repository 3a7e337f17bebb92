"""Draw each excerpt above its inversions."""

from pathlib import Path

from _job import job

from auralise.figures.inversion import draw_inversions
from auralise.figures.style import save_figure
from auralise.files import whole_folder
from auralise.inversion.excerpts import read_inversions

with job(snakemake), whole_folder(snakemake.output[0]) as folder:
    for path in sorted(Path(snakemake.input[0]).glob("*/inversions.npz")):
        figure = draw_inversions(read_inversions(path), snakemake.params.scale)
        save_figure(figure, *(folder / f"{path.parent.name}.{kind}" for kind in ("png", "pdf")))
