#!/bin/bash
# One training on several machines. Run the same line on each of them:
#   NODES=2 GPUS=4 HOST=first.example docs/how-to/scripts/torchrun.sh --config configs/localizer/baseline.yaml --data.root data/forged
# HOST is the first machine, whose port 29500 the others reach. Data and run folder lie where all of them see them.
set -euo pipefail
: "${NODES:?how many machines}" "${GPUS:?how many on each machine}" "${HOST:?name of the first machine}"

exec torchrun --nnodes "$NODES" --nproc-per-node "$GPUS" --rdzv-backend c10d --rdzv-endpoint "$HOST:29500" \
  -m outpaint_lightning fit "$@" \
  --trainer.num_nodes "$NODES" --trainer.devices "$GPUS" --trainer.strategy ddp
