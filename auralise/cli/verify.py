"""``auralise verify`` and ``auralise provenance``: are results whole, and how were they made?"""

import argparse
import json
import sys
from pathlib import Path

from auralise.cli.arguments import DONE, FAILED, SOME_FAILED

NO_LICENCE = "No licence was chosen: all rights are reserved."

VERIFY = """\
Say which files of an experiment's results are missing or were changed since they were made.

Sizes and times are compared with the records that the workflow keeps in the folder
'provenance' of the results; --deep reads every file and compares its content.
"""

VERIFY_EPILOG = """\
example:
  auralise verify --deep results/bands

what to do:
  What is missing is made again by the next run (make run). Delete what was changed, and run again.
  Files that the settings let go (keep) are not missing.

exit status:
  0 all is whole and unchanged; 1 some files are not, a line for each; 2 there is nothing to verify.
"""

PROVENANCE = """\
Print how a file came to be, as JSON: format, versions, settings, hashes of what it was made from.

Sounds, maps, weights and figures say it themselves, wherever they are; other files of an experiment
by the records beside them. With --crate, a finished results folder is written into one ZIP archive
with its workflow and records, as a Workflow Run RO-Crate.
"""

PROVENANCE_EPILOG = """\
example:
  auralise provenance feature12.wav
  auralise provenance results/bands --crate bands.zip

exit status:
  0 printed or written; 2 nothing is known of the file, or the results are not whole.
"""


def add_parsers(commands: "argparse._SubParsersAction") -> None:
    """Add both commands to those of the command line."""
    verify = commands.add_parser(
        "verify",
        help="say whether results are whole and unchanged",
        description=VERIFY,
        epilog=VERIFY_EPILOG,
    )
    add = verify.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH", help="a results folder, or files in one")
    add("--deep", action="store_true", help="read every file")
    verify.set_defaults(run=run_verify)
    provenance = commands.add_parser(
        "provenance",
        help="print how a file came to be",
        description=PROVENANCE,
        epilog=PROVENANCE_EPILOG,
    )
    provenance.add_argument("file", type=Path, metavar="FILE", help="or a results folder")
    provenance.add_argument(
        "--crate", type=Path, metavar="OUT.zip", help="write a results folder as an RO-Crate"
    )
    provenance.add_argument(
        "--license", default=NO_LICENCE, metavar="ADDRESS", help="of the results in the crate"
    )
    provenance.set_defaults(run=run_provenance)


def run_verify(options: argparse.Namespace) -> int:
    """Print a line for each file that is missing, damaged or changed, and how many are whole."""
    from auralise.errors import counted, printable
    from auralise.experiment.records import Results

    n_files, n_faults, unknown = 0, 0, 0
    for path in options.paths:
        results = Results.around(path)
        own = None if results is None or results.folder == path.absolute() else path
        if results is None or not results.knows(own):
            remedy = "give a folder that the workflow has written, or a file in it"
            print(f"{printable(path)}: no record says how it was; {remedy}", file=sys.stderr)
            unknown += 1
            continue
        for line in results.faults(options.deep, own):
            print(line)
            n_faults += 1
        n_files += len(results.states_within(results.name_of(own)) if own else results.states)
    if not n_faults and not unknown:
        how = "" if options.deep else " by size and time; --deep reads them"
        print(f"{counted(n_files, 'file')}: whole and unchanged{how}", file=sys.stderr)
    if unknown == len(options.paths):
        return FAILED
    return SOME_FAILED if n_faults or unknown else DONE


def run_provenance(options: argparse.Namespace) -> int:
    """Print how a file came to be, or write a crate of an experiment's results."""
    if options.crate is not None:
        from auralise.cli.run import workflow_folder
        from auralise.experiment.crates import write_crate
        from auralise.experiment.records import Results

        results = Results(options.file)
        write_crate(options.crate, results, workflow_folder(), options.license)
        return DONE
    from auralise.experiment.origins import origin_of

    print(json.dumps(origin_of(options.file), indent=1))
    return DONE
