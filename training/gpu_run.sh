#!/usr/bin/env bash
# One whole run of the denoiser on a machine with a GPU, from drawings to a folder that ships:
# render and encode on that machine, train, export, pack into pieces small enough to send back.
#
#     python training/icons.py --out training/runs/glyphs.npz     (before, where the packages are)
#     OUT=training/runs/gpu bash training/gpu_run.sh              (there; 10 minutes)
#
# Everything can be set from outside, also for a trial without a GPU:
#     DEVICE=cpu PROCESSES=1 SHARD=40 OBJECTS=40 MINUTES=0.3 BATCH=8 OUT=... bash training/gpu_run.sh
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-training/runs/gpu}
PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cuda}
PROCESSES=${PROCESSES:-16}          # renderers, and shards of each kind
SHARD=${SHARD:-4000}                # icons in a shard
OBJECTS=${OBJECTS:-1500}            # 3D objects in a shard
MINUTES=${MINUTES:-6.5}             # of training, its compilation included
BATCH=${BATCH:-1024}
RATE=${RATE:-1e-3}
GLYPHS=${GLYPHS:-training/runs/glyphs.npz}
MODEL=${MODEL:-src/dreamsampler/models/bundled}
WORK=${WORK:-$(mktemp -d)}
export PYTHONPATH=src${PYTHONPATH:+:$PYTHONPATH}
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
mkdir -p "$OUT"
say() { echo "[$SECONDS s] $*"; }

all() {  # the same command once for each shard, side by side
    local shard pids=()
    for ((shard = 0; shard < PROCESSES; shard++)); do
        OMP_NUM_THREADS=1 "$@" --first "$shard" --shards 1 & pids+=($!)
    done
    for shard in "${pids[@]}"; do wait "$shard"; done
}

say "render"
all "$PYTHON" training/render.py --icons "$GLYPHS" --out "$WORK/icons" --size "$SHARD" >"$OUT/render.txt"
all "$PYTHON" training/render_objects.py --out "$WORK/objects" --size "$OBJECTS" >>"$OUT/render.txt"
say "encode"
for kind in icons objects; do
    "$PYTHON" training/encode.py --vae "$MODEL/vae" --data "$WORK/$kind" --device "$DEVICE" >"$OUT/encode.txt"
done
say "train"
"$PYTHON" training/train_denoiser.py --tokenizer "$MODEL/tokenizer" --warm "$MODEL" --vae "$MODEL/vae" \
    --data "$WORK/icons" --objects "$WORK/objects" --share 0.28 --often noto=2,rare=2 \
    --run "$WORK/run" --device "$DEVICE" --workers 1 --batch "$BATCH" --lr "$RATE" \
    --minutes "$MINUTES" --decay "$("$PYTHON" -c "print($MINUTES / 2)")" --save 1 --look 2
say "export"
"$PYTHON" training/export.py --run "$WORK/run" --vae "$MODEL/vae" --tokenizer "$MODEL/tokenizer" --out "$WORK/pipeline"
cp "$WORK/run/log.txt" "$WORK/run/loss.png" "$OUT"
cp "$(ls "$WORK"/run/samples_*.png | tail -1)" "$OUT/samples.png"
tar -C "$WORK" -cf - pipeline/unet pipeline/text_encoder | split -b 15M - "$OUT/pipeline.tar."
say "done: cat pipeline.tar.* | tar x, beside the vae, tokenizer, scheduler and model_index.json of $MODEL"
