"""What a process finds in its environment changes neither whether it works nor what it gives."""

import contextlib
import getpass
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import soundfile
import torch

from auralise.cli import layers
from auralise.cli.main import main
from auralise.environment import UNUSED, settle_environment
from auralise.training.fitting import fit
from auralise.weights.own import write_weights
from tests.conftest import REPOSITORY, make_schedule

CACHES = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")


@pytest.fixture
def nowhere(monkeypatch):
    for name in CACHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null/home")


def test_a_user_without_a_home_keeps_caches_among_temporary_files(nowhere, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settle_environment()
    for name in CACHES:
        assert Path(os.environ[name]).parent == tmp_path


def test_a_user_without_a_name_gets_one(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    with pytest.raises(KeyError):
        getpass.getuser()
    settle_environment()
    assert getpass.getuser() == f"uid-{os.getuid()}"


def interpreter_of_another(user):
    """An interpreter of this version that another user may run; this one may lie in our home."""
    here = [Path(os.path.realpath(sys.executable)).parent, "/usr/local/bin", "/usr/bin"]
    for folder in here:
        python = Path(folder, f"python{sys.version_info.major}.{sys.version_info.minor}")
        with contextlib.suppress(OSError):
            subprocess.run([python, "-c", ""], user=user, check=True)
            return python
    pytest.skip("no interpreter that another user may run")


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("home", ["/nonexistent", "closed/home"])
def test_a_container_user_without_a_home_and_a_name_explains_and_plans(
    repository, song, small_network, small_architecture, home
):
    """As in `docker run --user 12345`: nothing but one folder may be written."""
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer, "project")
        (folder / "src_songs").mkdir(parents=True)
        names = {"n_bins": 257, "n_frames": 173, "classes": list("abc")}
        write_weights(folder / "w.safetensors", small_network, small_architecture, **names)
        soundfile.write(folder / "src_songs/ä.wav", song[:11025], 11025)
        for path in (Path(outer), folder, *folder.rglob("*")):
            path.chmod(0o777)
        for name in ("auralise", "config", "profiles", "scripts", "workflow", "Snakefile"):
            (folder / name).symlink_to(repository / name)
        (folder / "closed/home").mkdir(parents=True)
        (folder / "closed").chmod(0o700)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder / home), "OMP_NUM_THREADS": "1"}
        environment |= {"LC_ALL": "C", "PYTHONUTF8": "0"}
        environment["PYTHONPATH"] = os.pathsep.join([str(folder), *filter(None, sys.path)])
        explain = "explain src_songs --weights w.safetensors --out out --layers 1 --features 0"
        for command in (
            ["auralise.cli", *explain.split()],
            ["snakemake", "--cores", "1", "--dry-run", "--quiet", "all"],
        ):
            done = subprocess.run(
                [interpreter_of_another(12345), "-m", *command],
                cwd=folder, env=environment, user=12345, group=12345, extra_groups=[],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout


def test_caches_of_a_users_own_are_left_alone(nowhere, monkeypatch, tmp_path):
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    settle_environment()
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in CACHES:
        monkeypatch.delenv(name, raising=False)
    settle_environment()
    assert not any(name in os.environ for name in CACHES)


@pytest.mark.parametrize("flags", [[], ["-X", "utf8=0"]], ids=str)
@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_names_of_files_are_utf8_in_every_locale(tmp_path, locale, flags):
    (tmp_path / "Größe 夜.wav").touch()
    code = "from auralise.environment import start_in_utf8; start_in_utf8(); import os; "
    code += "os.write(1, ascii(os.listdir()).encode())"
    strange = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, *flags, "-c", code],
        cwd=tmp_path,
        env=os.environ | strange | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=60,
    )
    assert done.stdout.decode() == ascii(["Größe 夜.wav"]), done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_files_never_take_the_place_of_closed_streams(tmp_path, closed):
    code = (
        "from auralise.environment import open_streams; open_streams(); "
        f"file = open({str(tmp_path / 'number')!r}, 'w'); file.write(str(file.fileno()))"
    )
    command = f'"{sys.executable}" -c "{code}" {closed}'
    subprocess.run(command, shell=True, cwd=Path(__file__).parents[2], check=True)
    assert int((tmp_path / "number").read_text()) > 2


@pytest.mark.parametrize("name", [*UNUSED, "TQDM_NCOLS", "TQDM_MININTERVAL"])
def test_a_value_with_which_a_library_cannot_be_imported_is_ignored(monkeypatch, name):
    monkeypatch.setenv(name, "nonsense")
    settle_environment()
    assert name not in os.environ


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("resource.RLIM_INFINITY", "scipy waits"),
        ("2**30", "scipy is there"),
        ("2**28", "memory is limited to 256 MiB"),
    ],
)
@pytest.mark.slow
def test_where_memory_is_limited_scipy_is_loaded_while_there_is_some(limit, told):
    """Its OpenBLAS asks without end for memory that is refused."""
    code = f"""if True:
        import resource, sys
        from auralise.environment import settle_environment
        resource.setrlimit(resource.RLIMIT_AS, ({limit},) * 2)
        try:
            settle_environment()
            print("scipy", "is there" if "scipy.linalg" in sys.modules else "waits")
        except Exception as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, text=True, capture_output=True, timeout=300
    )
    assert told in done.stdout, done.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_is_refused_is_told_without_a_traceback(monkeypatch, capsys, error):
    def refused(options):
        raise error

    monkeypatch.setattr(layers, "run", refused)
    assert main(["layers", "--network", "any"]) == 2
    assert "error: not enough memory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_command_that_is_told_to_end_says_so(monkeypatch, capsys, name):
    number = signal.Signals[name]
    monkeypatch.setattr(layers, "run", lambda options: os.kill(os.getpid(), number))
    assert main(["layers", "--network", "any"]) == 128 + number
    assert f"ended from outside ({name}); what was done stays" in capsys.readouterr().err
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_command_outlives_its_terminal_where_it_is_told_to(monkeypatch):
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        monkeypatch.setattr(layers, "run", lambda options: os.kill(os.getpid(), signal.SIGHUP) or 0)
        assert main(["layers", "--network", "any"]) == 0
    finally:
        signal.signal(signal.SIGHUP, former)


def closed_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize(
    ("into", "status", "told"),
    [
        (closed_pipe, 128 + signal.SIGPIPE, ""),
        (lambda: os.open("/dev/full", os.O_WRONLY), 2, "prints cannot be written (No space left"),
    ],
    ids=["reader that has ended", "full disk"],
)
def test_output_that_finds_no_taker_is_told_in_a_line_at_most(into, status, told):
    """What is printed waits in Python until the end, unless it is much."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": ""}
    output = into()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "auralise.cli", "explain", "--help"],
            env=environment, stdout=output, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    finally:
        os.close(output)
    assert done.returncode == status
    assert told in done.stderr and done.stderr.count("\n") == bool(told)


def explained(folder, song, network, architecture, strange):
    """The sound of a feature, by a process in a strange environment."""
    names = {"n_bins": 257, "n_frames": 173, "classes": list("abc")}
    write_weights(folder / "w.safetensors", network, architecture, **names)
    soundfile.write(folder / "Größe 夜.wav", song[:11025], 11025)
    done = subprocess.run(
        [sys.executable, "-m", "auralise.cli", "explain", "Größe 夜.wav", "--weights"]
        + ["w.safetensors", "--out", "out", "--layers", "2", "--features", "1", "--all"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | strange,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0 and b"Traceback" not in done.stdout, done.stdout
    return (folder / "out/Größe 夜/layer2/feature01.wav").read_bytes()


@pytest.fixture(scope="module")
def plain(song, small_network, small_architecture, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return explained(folder, song, small_network, small_architecture, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "strange",
    [
        {"HOME": "/dev/null/home", "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "MPLBACKEND": "TkAgg"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LANG": "de_DE"},
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "", "SLURM_NTASKS": "3"},
        {"http_proxy": "http://127.0.0.1:9", "https_proxy": "x", "HDF5_USE_FILE_LOCKING": "TRUE"},
        {"TMPDIR": "/nonexistent", "HOME": "here", "NUMBA_CACHE_DIR": "/proc/x", "COLUMNS": "10"}
        | {"MPLCONFIGDIR": "/proc/x", "LC_ALL": "xx_YY.UTF-8", "TZ": "Nowhere", "TERM": "dumb"},
        {"TQDM_MININTERVAL": "abc", "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2"}
        | {"KMP_AFFINITY": "nonsense", "LC_ALL": "tr_TR.UTF-8"},
    ],
    ids=",".join,
)
def test_explain_gives_the_same_bytes_in_every_environment(
    strange, plain, song, small_network, small_architecture, tmp_path
):
    assert explained(tmp_path, song, small_network, small_architecture, strange) == plain


def test_training_ignores_the_slurm_job_around_it(monkeypatch, tmp_path):
    for name, value in {"NTASKS": "4", "JOB_ID": "7", "PROCID": "3", "JOB_NAME": "mine"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    rows = torch.utils.data.TensorDataset(torch.linspace(-1, 1, 8)[:, None])

    def loss(network, batch):
        return (network(batch[0]) - batch[0]).square().mean(), {}

    schedule = make_schedule(epochs=2, batch_size=4)
    history = fit(torch.nn.Linear(1, 1), loss, rows, rows, schedule, 0, tmp_path, "any")
    assert len(history) == 2
