#!/usr/bin/env bash
# A batch on SLURM itself: Debian's packages, one machine, nobody's real cluster. Outside the test suite; as root, in a
# container or a virtual machine that may be thrown away:
#
#     apt-get install slurmctld slurmd slurm-client munge
#     Testing/benchmarks/slurm_on_one_machine.sh PYTHON PAIRS.csv
#
# PYTHON: of an environment with csafusion[batch,slurm]. PAIRS: a table of at least three pairs. It runs the pairs
#   1. by --slurm, workers as SLURM jobs;
#   2. by an array job of two parts that run at the same time in one folder;
#   3. by --slurm again, one worker's job cancelled in the middle;
#   4. by --slurm, the command ended by Ctrl-C, and given again,
# and compares every file with those of a plain batch: all but "run" in the sidecars is the same. Nothing is left: no job,
# no hidden file. Ends with 0 where all of that holds.
set -euo pipefail

python=$1 pairs=$(realpath "$2")
here=$(mktemp -d -t slurm.XXXXXX)
chmod 755 "$here"
export SLURM_CONF=$here/slurm.conf
daemons=()

finish() {
    for ((index = ${#daemons[@]} - 1; index >= 0; index--)); do
        kill "${daemons[index]}" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$here"
}
trap finish EXIT

configure() {
    mkdir -p "$here/state" "$here/spool"
    chown slurm "$here/state"
    # Without cgroups, which a container has not, processes are followed by their parents.
    cat > "$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket=$here/munge/socket
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=bf_interval=1,sched_interval=1
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
    mkdir -p "$here/munge"
    dd if=/dev/urandom of="$here/munge/key" bs=1024 count=1 status=none
    chmod 400 "$here/munge/key"
    munged --foreground --force --key-file="$here/munge/key" --socket="$here/munge/socket" \
        --pid-file="$here/munge/pid" --log-file="$here/munge/log" --seed-file="$here/munge/seed" > "$here/munged.out" 2>&1 &
    daemons+=($!)
    for _ in $(seq 50); do [ -S "$here/munge/socket" ] && break; sleep 0.1; done
    slurmctld -D > "$here/slurmctld.out" 2>&1 &
    daemons+=($!)
    slurmd -D > "$here/slurmd.out" 2>&1 &
    daemons+=($!)
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && return
        sleep 0.5
    done
    echo "SLURM did not start:"
    tail -n 20 "$here"/slurmctld.log "$here"/slurmd.log "$here"/*.out
    exit 1
}

batch() { "$python" -m CSAFusionLib batch "$pairs" "$@"; }

same() { # FOLDER: the same files as those of the plain batch
    "$python" - "$here/plain" "$1" "$2" <<'COMPARE'
import json, sys
from pathlib import Path

def contents(folder):
    found = {}
    for file in sorted(path for path in Path(folder).rglob("*") if path.is_file() and "_part-" not in path.name):
        data = file.read_bytes()
        if file.suffix == ".json":
            data = json.dumps({key: value for key, value in json.loads(data).items() if key != "run"}).encode()
        found[str(file.relative_to(folder))] = data
    return found

one, other = (contents(folder) for folder in sys.argv[1:3])
different = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
print(f"{sys.argv[3]}: {len(other)} files, different or left: {different}")
sys.exit(bool(different))
COMPARE
}

nothing_runs() {
    for _ in $(seq 60); do
        [ -z "$(squeue --noheader)" ] && return
        sleep 0.5
    done
    echo "jobs are left:"
    squeue
    exit 1
}

"$python" -c 'import dask, dask_jobqueue; print("dask", dask.__version__, "dask-jobqueue", dask_jobqueue.__version__)'
configure
start
sbatch --version
cd "$here"
batch -o "$here/plain" --jobs 1 || [ $? = 2 ]

batch -o "$here/slurm" --jobs 2 --slurm partition=all,time=00:30:00,mem=1500M || [ $? = 2 ]
nothing_runs
same "$here/slurm" "--slurm"

mkdir "$here/array"
# What a task ends with is its own: a pair that is no good ends it with 2.
sbatch --quiet --array=1-2 --cpus-per-task=1 --mem=1500M --output="$here/task-%a.log" \
    --export=ALL --wrap="'$python' -m CSAFusionLib batch '$pairs' -o '$here/array' --jobs 1 --part \$SLURM_ARRAY_TASK_ID/2"
sleep 1
for _ in $(seq 1200); do [ -z "$(squeue --noheader)" ] && break; sleep 0.5; done
nothing_runs
batch -o "$here/array" > "$here/said" || [ $? = 2 ]
grep skipped "$here/said"
same "$here/array" "array job"

batch -o "$here/cancelled" --jobs 2 --slurm partition=all,time=00:30:00,mem=1500M &
command=$!
for _ in $(seq 240); do [ "$(squeue --noheader --states=RUNNING | wc -l)" -ge 1 ] && break; sleep 0.5; done
sleep 8
scancel "$(squeue --noheader --states=RUNNING --format=%i | head -n 1)"
wait $command || [ $? = 2 ]
nothing_runs
same "$here/cancelled" "a worker's job cancelled"

# With job control, without which a shell has its background jobs ignore Ctrl-C.
set -m
batch -o "$here/interrupted" --jobs 1 --slurm partition=all,time=00:30:00,mem=1500M &
command=$!
set +m
for _ in $(seq 1200); do [ -n "$(ls "$here/interrupted" 2>/dev/null | grep -v tsv)" ] && break; sleep 0.1; done
kill -INT -- -$command
wait $command && exit 1 || [ $? = 130 ]
nothing_runs
batch -o "$here/interrupted" --jobs 1 --slurm partition=all,time=00:30:00,mem=1500M || [ $? = 2 ]
nothing_runs
same "$here/interrupted" "Ctrl-C and the same command again"
echo "all of it holds"
