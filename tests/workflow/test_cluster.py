"""The cluster profile plans every job with its resources; no cluster is needed to plan."""

import os
import re
import subprocess
import sys


def test_a_dry_run_for_slurm_plans_every_job(project, plugin):
    config = project.configure("cluster", experiment="cluster")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", "--dry-run"]
        + ["--configfile", config],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(project.folder), str(plugin)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    planned = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    assert planned["train_network"] == "2"
    assert planned["deconvolve_song"] == "2"
    assert planned["check_results"] == "1"


def test_a_training_asks_for_its_gpu_and_when_tried_again_for_twice_the_memory(project):
    training = {"epochs": 1, "batch_size": 4, "accelerator": "gpu", "devices": 2}
    config = project.configure("gpus", experiment="gpus", training=training)
    script, asked = project.folder / "scripts/train_network.py", project.folder / "asked"
    text = script.read_text()
    script.write_text(
        "import sys\n"
        "with open('asked', 'a') as file:\n"
        "    print(snakemake.resources.mem_mb, snakemake.resources.gpu, file=file)\n"
        "sys.exit(1)\n"
    )
    try:
        done = project.run(
            "--retries", "1", "results/gpus/networks/square-0/history.csv", config=config
        )
    finally:
        script.write_text(text)
    assert asked.read_text().split("\n")[:2] == ["6000 2", "12000 2"], done.stdout
