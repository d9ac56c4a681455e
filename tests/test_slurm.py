"""A real one-node Slurm: jobs that are killed, cancelled, signalled and requeued.

Needs slurmctld, slurmd, slurm-client and munge (Debian's packages), and root.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import digits_experiment
import pytest
from user_errors import check_stderr

from dljax.errors import DONE, USAGE
from dljax.trials.trial import status

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs root"),
]
STUDY = ("--width=0,16", "--seeds=4", "--save_every_secs=0.2", "--learning_rate=0.01")
SLURM = ("--launcher=slurm", "--slurm_minutes=5", "--slurm_more=comment=test")

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
JobRequeue=1
KillWait=5
SchedulerParameters=batch_sched_delay=0
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=p Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(condition, secs=90):
    until = time.monotonic() + secs
    while not (value := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)
    return value


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment variables of a cluster on this machine."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    for parent in (*folder.parents, folder)[-4:]:  # munged checks their modes
        parent.chmod(parent.stat().st_mode & ~0o022 | 0o011)
    (folder / "munge").chmod(0o711)
    key = folder / "munge/key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().split(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=host, folder=folder, ports=free_ports(2)))
    env = {**os.environ, "SLURM_CONF": str(conf)}
    munge = [f"--{k}={folder}/munge/{v}" for k, v in MUNGE.items()]
    with open(folder / "log", "w") as log:
        daemons = []
        try:
            for words in (
                ["munged", "--foreground", "--force", *munge],
                ["slurmctld", "-D", "-f", str(conf)],
                ["slurmd", "-D", "-f", str(conf)],
            ):
                daemons.append(subprocess.Popen(words, env=env, stdout=log, stderr=log))
                time.sleep(1)
            wait_for(lambda: "idle" in output_of(env, "sinfo", "-h", "-o", "%T"))
            yield env
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait()


MUNGE = {
    "key-file": "key",
    "socket": "socket",
    "pid-file": "pid",
    "log-file": "log",
    "seed-file": "seed",
}


def output_of(env, *words):
    return subprocess.run(words, env=env, capture_output=True, text=True).stdout


def start(env, directory, *more):
    return subprocess.Popen(
        [
            sys.executable,
            digits_experiment.__file__,
            f"--workdir={directory}",
            *STUDY,
            *more,
        ],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def job_of(directory, name):
    return json.loads((directory / "slurm/jobs.json").read_text())[name]


def at_work(directory):
    """{trial: pid} of the running trials that have a checkpoint."""
    pids = {}
    for lock in directory.glob("*/LOCK"):
        if status(lock.parent).step:
            pids[lock.parent.name] = json.loads(lock.read_text() or "{}").get("pid")
    return {name: pid for name, pid in pids.items() if pid}


def soon(env, job):
    """Starts a requeued job now; Slurm would wait for two minutes."""
    wait_for(lambda: "PENDING" in output_of(env, "squeue", "-h", "-j", job, "-o", "%T"))
    output_of(env, "scontrol", "update", f"job={job}", "StartTime=now")


def test_interrupted_jobs_equal_a_local_run(slurm, tmp_path):
    steps = "--steps=60000"
    local = start(slurm, tmp_path / "local", steps)
    printed = local.communicate()[0]
    assert local.returncode == DONE, printed

    directory = tmp_path / "slurm"
    launcher = start(slurm, directory, steps, *SLURM)
    wait_for(lambda: len(at_work(directory)) == 4)
    killed, requeued, near_its_limit, cancelled = names = sorted(at_work(directory))
    jobs = {name: job_of(directory, name) for name in names}
    launcher.kill()  # its jobs go on
    launcher.communicate()
    os.kill(at_work(directory)[killed], signal.SIGKILL)
    output_of(slurm, "scontrol", "requeue", job_of(directory, requeued))
    output_of(slurm, "scancel", "--signal=USR2", job_of(directory, near_its_limit))
    output_of(slurm, "scancel", job_of(directory, cancelled))
    for name in (requeued, near_its_limit):
        soon(slurm, job_of(directory, name))

    launcher = start(slurm, directory, steps, *SLURM)
    printed = launcher.communicate()[0]
    assert launcher.returncode == DONE, printed
    assert {name: job_of(directory, name) for name in names} == jobs
    for name in names:
        manifest = json.loads((directory / name / "manifest.json").read_text())
        assert len(manifest["starts"]) > 1, name
        assert manifest["starts"][-1]["step"] > 0, name
    for file in ("results.csv", "report.json"):
        expected = (tmp_path / "local" / file).read_bytes()
        assert (directory / file).read_bytes() == expected


def test_a_refused_job_is_one_line(slurm, tmp_path):
    launcher = start(slurm, tmp_path, *SLURM, "--slurm_partition=nowhere")
    printed = launcher.communicate()[0]
    assert launcher.returncode == USAGE
    check_stderr(printed, "slurm-refused", "--launcher=slurm", "partition")
