"""The command line."""

import argparse
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence

import auralise
from auralise.cli import explain, invert, layers, predict, run, verify
from auralise.cli.arguments import FAILED, INTERRUPTED, Parser
from auralise.environment import open_streams, settle_environment, start_in_utf8
from auralise.errors import AuraliseError, is_out_of_memory, message_of


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="auralise", description="Hear what a convolutional network for music has learned."
    )
    parser.add_argument("--version", action="version", version=f"auralise {auralise.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    explain.add_parser(commands)
    invert.add_parser(commands)
    predict.add_parser(commands)
    layers.add_parser(commands)
    run.add_parser(commands)
    verify.add_parsers(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, of the process by default, and return the exit status."""
    open_streams()
    if arguments is None:
        start_in_utf8()
    for stream in sys.stdout, sys.stderr:
        if isinstance(stream, io.TextIOWrapper):
            # Files get the same in every locale; names that a terminal cannot show do not end the
            # command.
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="auralise: %(message)s")
    # Ends through the stack, so that what is half-written is removed.
    former = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        settle_environment()
        return options.run(options)
    except AuraliseError as error:
        print(f"auralise: error: {message_of(error)}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # Whoever read the output has ended; what Python still holds of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        print(f"auralise: error: the system refuses: {message_of(error)}", file=sys.stderr)
        return FAILED
    except (MemoryError, RuntimeError, ImportError) as error:
        if not is_out_of_memory(error):
            raise
        print(
            "auralise: error: not enough memory; choose a smaller --window, or a smaller --n-fft "
            "if the network allows, or raise the limit, if there is one (ulimit -v)",
            file=sys.stderr,
        )
        return FAILED
    except KeyboardInterrupt:
        print("auralise: interrupted; what was done stays", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, former)
