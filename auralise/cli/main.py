"""The command line."""

import argparse
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

import auralise
from auralise.cli import explain, invert, layers, predict, run, verify
from auralise.cli.arguments import FAILED, INTERRUPTED, Parser
from auralise.environment import open_streams, settle_environment, start_in_utf8
from auralise.errors import AuraliseError, StorageError, is_out_of_memory, message_of

ENDS = (signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """The process is asked to end; raised, so that what is half-written is removed."""

    def __init__(self, number: int):
        super().__init__(number)
        self.signal = signal.Signals(number)


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
    logging.basicConfig(level=logging.INFO, format="auralise: %(message)s")
    logging.getLogger("torch").setLevel(logging.WARNING)  # half loaded, it tells of its caches
    former = {number: signal.getsignal(number) for number in ENDS}
    for number in ENDS:
        if former[number] is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _end)
    try:
        return _run(arguments)
    except AuraliseError as error:
        return _failed(message_of(error))
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except OSError as error:
        return _failed(f"the system refuses: {message_of(error)}")
    except (MemoryError, RuntimeError, ImportError) as error:
        if not is_out_of_memory(error):
            raise
        return _failed(
            "not enough memory; choose a smaller --window, or a smaller --n-fft if the network "
            "allows, or raise the limit, if there is one (ulimit -v)"
        )
    except KeyboardInterrupt:
        _say("interrupted; what was done stays")
        return INTERRUPTED
    except Ended as end:
        _say(f"ended from outside ({end.signal.name}); what was done stays")
        return 128 + end.signal
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _run(arguments: Sequence[str] | None) -> int:
    """Do what is asked; at the end all is printed, or why it cannot be is raised."""
    try:
        options = build_parser().parse_args(arguments)
        settle_environment()
        return options.run(options)
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:
            # What Python still holds of it goes nowhere; else it would fail again at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):  # whoever read the output has ended
                raise
            raise StorageError(
                f"what the command prints cannot be written ({error.strerror}); lead it elsewhere"
            ) from None


def _end(number: int, frame: object) -> None:
    raise Ended(number)


def _failed(reason: str) -> int:
    _say(f"error: {reason}")
    return FAILED


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(f"auralise: {text}", file=sys.stderr)
