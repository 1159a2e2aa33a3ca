#!/bin/bash
# One training on two machines of four GPUs, in the run folder RUN. Where its time ends it is queued again and goes on.
#   RUN=runs/big sbatch docs/how-to/scripts/slurm.sh --config configs/localizer/baseline.yaml --data.root data/forged
#SBATCH --job-name=outpaint
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4    # one process a GPU
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8      # the process itself and the workers that read
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120    # to this script, two minutes before the end
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
: "${RUN:?the run folder}"

trap 'scontrol requeue "$SLURM_JOB_ID"' USR1
start=()
if [[ -e "$RUN/checkpoints/last.ckpt" ]]; then
  start=(--ckpt_path last)
elif ((${SLURM_RESTART_COUNT:-0})); then
  start=(--overwrite)  # not one epoch was finished
fi

# --kill-on-bad-exit: one that fails before all have met ends the others
srun --kill-on-bad-exit=1 outpaint-lightning fit "$@" --trainer.default_root_dir "$RUN" "${start[@]}" \
  --trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE" --trainer.strategy ddp &
wait $!  # a trap runs at once only where the shell waits
