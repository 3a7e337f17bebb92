"""A small experiment on a real Slurm, through what happens on clusters.

Slurm is started here, which takes root and Debian's packages. Its one machine is said to have a GPU
and 64 cores, since a group of jobs asks for those of all that could run at once.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress

import psutil
import pytest
import soundfile

from auralise.experiment.records import Results
from tests.workflow.conftest import copy_project

SERVICES = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
PACKAGES = "slurmctld slurmd slurm-client munge"
CONFIGURATION = """\
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={port_of_node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=NoShared,OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=86400
ReturnToService=2
KillWait=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0,requeue_delay=1
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 RealMemory=256000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Slurm:
    """A running Slurm, in a folder of its own."""

    def __init__(self, folder):
        self.folder, self.host = folder, socket.gethostname()
        # Jobs lose the variables of Slurm, so that its programs are told of this one by wrappers.
        path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
        self.services = []

    def start(self):
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        for name in CLIENTS:
            wrapper = self.folder / "bin" / name
            given = f"SLURM_CONF='{self.folder}/slurm.conf' '{shutil.which(name)}'"
            wrapper.write_text(f'#!/bin/sh\n{given} "$@"\n')
            wrapper.chmod(0o755)
        ports = {"port": free_port(), "port_of_node": free_port()}
        text = CONFIGURATION.format(folder=self.folder, host=self.host, **ports)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(f"NodeName={self.host} Name=gpu File=/dev/null\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        paths = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        given = [f"--{option}={self.folder}/munge.{name}" for option, name in paths.items()]
        self.serve("munged", "--foreground", "--force", f"--key-file={key}", *given)
        self.wait("munge's socket", (self.folder / "munge.socket").exists, 120)
        self.serve("slurmctld", "-D")
        self.serve("slurmd", "-D")
        self.wait("an idle node", self.is_idle, 300)

    def is_idle(self):
        for service in self.services:
            if service.poll() is not None:  # in a container that forbids what it needs, say
                told = (self.folder / f"{service.args[0]}.out").read_text().strip()
                pytest.skip(f"{service.args[0]} does not run here: {told[-300:]}")
        return "idle" in self.tell("sinfo", "-h", "-o", "%T")

    def serve(self, *command):
        log = (self.folder / f"{command[0]}.out").open("w")
        self.services.append(
            subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        )

    def stop(self):
        self.tell("scancel", "--user", "root", "--ctld")
        with suppress(AssertionError):
            self.wait("no job", lambda: not self.jobs("R,CG"), 30)
        for service in reversed(self.services):
            service.terminate()
            try:
                service.wait(20)
            except subprocess.TimeoutExpired:
                service.kill()
        for process in psutil.process_iter():  # without control groups, Slurm may leave some
            with suppress(psutil.Error):
                if str(self.folder / "bin") in process.environ().get("PATH", ""):
                    process.kill()

    def tell(self, *command):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.stdout

    def jobs(self, state="all"):
        """Number and state of the jobs, ended ones included, and what they do."""
        lines = self.tell("squeue", "-h", "-t", state, "-o", "%i|%T|%k").splitlines()
        return [line.split("|", 2) for line in lines]

    def asked(self, number):
        """What a job asks for beside processors and memory."""
        return self.tell("squeue", "-h", "-t", "all", "-j", number, "-O", "tres-per-job:60").strip()

    def running(self, what):
        return [number for number, _, told in self.jobs("R") if what in told]

    def wait(self, what, condition, seconds=3600):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    missing = [name for name in SERVICES + CLIENTS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}; as root: apt-get install {PACKAGES}")
    if os.geteuid() != 0:
        pytest.skip("starting Slurm takes root")
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


# A job costs seconds, so that there are few. The songs' group is the profile's.
GROUPS = {
    "data": "render_bands list_clips write_segments",
    "songs": "deconvolve_song auralise_song rehear_song rehear_shifts draw_sheets",
}
ALONE = ("train_network", "all", "show_results")
# As little as can be of everything but the training, which has to last until it is interrupted.
LEAST = {
    "methods": ["deconvolution"],
    "networks": {"square": {"layers": 2, "features": 4, "dropout": 0.0, "dense": [8]}},
    "training": {"epochs": 100, "patience": 100, "batch_size": 4, "accelerator": "cpu"},
    "auralisation": {"rehearing": False},
    "attributes": {"keys": ["Bb2", "A3"], "instruments": ["sine"], "chords": ["major", "minor"]},
    "dissection": {"untrained": 2, "clips": 4, "heard": 1},
    "keep": "audible",
}


def groups_of(project) -> list[str]:
    """A group for each rule: the rest is what comes after the trainings, or needs none."""
    texts = [path.read_text() for path in project.folder.glob("workflow/rules/*.smk")]
    rules = {name for text in texts for name in re.findall(r"^rule (\w+):", text, re.MULTILINE)}
    grouped = {rule: name for name, told in GROUPS.items() for rule in told.split()}
    return [f"{rule}={grouped.get(rule, 'rest')}" for rule in sorted(rules - {*ALONE})]


class Head:
    """A run whose jobs go to Slurm."""

    def __init__(self, slurm, project, plugin, config, log):
        self.log = log
        path = os.pathsep.join([str(project.folder), str(plugin)])
        # Without --cores, which would bound what a job may take. Threads would wait for each other.
        command = [*project.command()[:3], "--profile", "profiles/slurm", "--configfile", config]
        command += ["--seconds-between-status-checks", "2", "--latency-wait", "10"]
        command += ["--max-threads", "1"]
        # As with a device that is no CPU; there is none here to run on.
        command += ["--set-resources", "deconvolve_song:gpu=1"]
        command += ["--slurm-init-seconds-before-status-checks", "2"]
        command += ["--groups", *groups_of(project), "--group-components", "songs=10", "rest=100"]
        self.process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=slurm.environment | {"PYTHONPATH": path},
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def told(self):
        return self.log.read_text()

    def end(self, seconds=7200):
        assert self.process.wait(seconds) == 0, self.told


def test_a_job_without_memory_a_node_that_goes_down_and_a_head_that_is_killed(
    slurm, repository, plugin, tmp_path, song
):
    project = copy_project(repository, tmp_path / "a project")
    (project.folder / "songs").mkdir()
    soundfile.write(project.folder / "songs/one.flac", song, 11025)
    config = project.configure("slurm", experiment="slurm", **LEAST)
    results = project.folder / "results/slurm"
    # The job's first attempt takes more than it asks for.
    script = project.folder / "scripts/list_clips.py"
    hungry = "with job(snakemake):\n    import time\n"
    hungry += "    if snakemake.resources.mem_mb <= 2000:\n"
    hungry += "        hog = bytearray(b'1') * (3 << 30)\n        time.sleep(60)\n"
    text = script.read_text()
    assert "with job(snakemake):\n" in text
    script.write_text(text.replace("with job(snakemake):\n", hungry))

    head = Head(slurm, project, plugin, config, tmp_path / "first.log")
    checkpoint = results / "networks/square-0/checkpoints/last.ckpt"

    def trains():
        assert head.process.poll() is None, head.told
        return slurm.running("train_network") and checkpoint.exists()

    slurm.wait("a training", trains)
    assert "the attempt before this one was killed" in (results / "logs/list_clips.log").read_text()

    slurm.tell("scontrol", "update", f"nodename={slurm.host}", "state=down", "reason=test")
    slurm.wait("no training", lambda: not slurm.running("train_network"))

    def trains_again():
        # Also where Slurm drains it, as a job that it gives out again has not ended there yet.
        if "idle" not in (state := slurm.tell("sinfo", "-h", "-o", "%T")) and "mix" not in state:
            slurm.tell("scontrol", "update", f"nodename={slurm.host}", "state=resume")
        for number, *_ in slurm.jobs("PD"):  # else Slurm would wait two minutes
            slurm.tell("scontrol", "release", number)
            slurm.tell("scontrol", "update", f"jobid={number}", "starttime=now")
        return trains()

    slurm.wait("the training again", trains_again)

    os.killpg(head.process.pid, signal.SIGKILL)
    head.process.wait()
    left = [number for number, *_ in slurm.jobs("PD,R,CG")]
    assert slurm.running("train_network"), "jobs outlive the head"

    head = Head(slurm, project, plugin, config, tmp_path / "second.log")
    head.end()
    for number in left:
        assert f"Slurm job {number}, of a run that has ended" in head.told
    assert "cancelled" in head.told
    assert (results / "listening/index.html").is_file()
    assert list(Results(results).faults(deep=True)) == []

    ended = {number: state for number, state, _ in slurm.jobs()}
    assert ended[left[0]] == "CANCELLED"
    of_songs = [number for number, _, told in slurm.jobs() if "songs" in told]
    assert [slurm.asked(number) for number in of_songs] == ["gres:gpu:1"]
    assert not list((results / "deconvolution").rglob("*.h5")), "maps are let go"
