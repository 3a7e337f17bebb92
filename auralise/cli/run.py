"""``auralise run``: the workflow, from a checkout or from an installed wheel."""

import argparse
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import auralise
from auralise.errors import SettingsError

DESCRIPTION = """\
Run the whole workflow: data set, training, deconvolution, sounds, attributes, figures, page.
Results go into DIR/results/<experiment>; run it again, and only what is missing is computed.

exit status:
  0 all is done, 1 songs or steps have failed (they are named), 2 nothing could be done
"""


def add_parser(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of the command line."""
    parser = commands.add_parser(
        "run",
        help="run the whole workflow",
        description=DESCRIPTION,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where results/ is, or will be (default: this folder)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings; a file of yours, or one that comes with auralise, such as paper.yaml "
        "(default: the embedded experiment)",
    )
    parser.add_argument("--cores", default="all", help="processor cores (default: %(default)s)")
    parser.add_argument(
        "--profile",
        default="default",
        metavar="NAME",
        help="how it is run: default (this machine), slurm, or a folder with a Snakemake profile",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the workflow and return its exit status."""
    if importlib.util.find_spec("snakemake") is None:
        raise SettingsError(
            "the workflow needs snakemake, which is not installed; "
            "run: pip install 'auralise[workflow]'"
        )
    home = workflow_folder()
    command = [sys.executable, "-m", "auralise.experiment", "--snakefile", str(home / "Snakefile")]
    profile = home / "profiles" / options.profile
    command += ["--workflow-profile", str(profile if profile.is_dir() else options.profile)]
    command += ["--directory", str(options.folder), "--cores", options.cores]
    if options.config:
        from auralise.experiment.settings import refuse_unreadable  # takes a second

        config = find_config(options.config, home)
        refuse_unreadable(config)  # as the workflow does, which Snakemake starts too late for it
        command += ["--configfile", str(config)]
    command += ["--dry-run"] if options.dry_run else ["--logger", "stages"]
    command += ["--quiet", "host", "reason", "--", "all", "show_results"]
    options.folder.mkdir(parents=True, exist_ok=True)
    # Snakemake, too, hears Ctrl-C and ends its jobs; its exit status is waited for.
    with subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
            except BaseException:  # it is told to end, and is waited for, too
                process.terminate()
                raise


def workflow_folder() -> Path:
    """The folder of the Snakefile: the checkout's, or that of the installed wheel.

    Raises
    ------
    SettingsError
        Neither is there.
    """
    checkout = Path(auralise.__file__).parents[1]
    if (checkout / "Snakefile").is_file():
        return checkout
    for file in importlib.metadata.files("auralise") or []:
        if file.as_posix().endswith("share/auralise/Snakefile"):
            return Path(str(file.locate())).resolve().parent
    raise SettingsError(
        f"no workflow beside {Path(auralise.__file__).parent}; install auralise again: "
        "pip install --force-reinstall --no-deps auralise"
    )


def find_config(path: Path, home: Path) -> Path:
    """A file of settings: the user's own, or one of those that come with auralise.

    Raises
    ------
    SettingsError
        There is no such file.
    """
    for candidate in (path, home / "config" / path.name):
        if candidate.is_file():
            return candidate.resolve()
    ours = ", ".join(sorted(file.name for file in (home / "config").glob("*.yaml")))
    raise SettingsError(f"--config: no file '{path}'; auralise comes with {ours}")
