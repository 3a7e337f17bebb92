"""The configurations that come along, planned."""

import pandas as pd
import pytest
import yaml


@pytest.mark.parametrize("name", ["shapes"])
def test_every_network_of_a_configuration_goes_through_every_stage(project, repository, name):
    settings = yaml.safe_load((repository / f"config/{name}.yaml").read_text())
    path = project.folder / f"config/{name}_planned.yaml"
    path.write_text(yaml.safe_dump(settings | {"songs": "songs"}, sort_keys=False))
    planned = pd.Series(project.planned(f"config/{path.name}"))
    n_trained = len(settings["networks"]) * len(settings["seeds"])
    n_controls = settings["controls"]["untrained"]
    assert planned["train_network"] + planned.get("untrain_network", 0) == n_trained + n_controls
    assert planned["evaluate_network"] == n_trained + n_controls
    assert planned["deconvolve_song"] == n_trained + 1  # of the controls, the first is heard
    assert planned["draw_features"] == n_trained
    assert planned[["draw_kernels", "draw_evaluations", "summarise_evaluations"]].eq(1).all()
