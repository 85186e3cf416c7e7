#!/usr/bin/env bash
# The bundled model on a machine with a GPU and without a network, in two calls of some minutes:
#
#     python -m training.gpu.pack --out .gpu                      (before, where the packages are)
#     STAGE=autoencoder OUT=... bash training/gpu/run.sh          (there: vae.tar, inductor.tar)
#     STAGE=denoiser VAE=... OUT=... bash training/gpu/run.sh     (there: pipeline.tar.* in pieces)
#
# The first call trains the autoencoder, and beside it tries the denoiser's trainer on a few
# pictures: whatever is compiled there need not be compiled again. The second renders, encodes,
# trains and exports. Everything can be set from outside, also for a trial without a GPU:
#     DEVICE=cpu PROCESSES=1 SHARD=40 OBJECTS=40 PICTURES=60 SECONDS_AE=20 BUDGET=60 BATCH=8 ...
set -euo pipefail
cd "$(dirname "$0")/../.."
STAGE=${STAGE:?autoencoder or denoiser}
OUT=${OUT:?a folder for the results}
PACK=${PACK:-.gpu}                  # what training.gpu.pack made
PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cuda}
PROCESSES=${PROCESSES:-16}          # renderers, and shards of each kind
SHARD=${SHARD:-4500}                # icons in a shard
OBJECTS=${OBJECTS:-1800}            # 3D objects in a shard
PICTURES=${PICTURES:-40000}         # for the autoencoder
SECONDS_AE=${SECONDS_AE:-110}       # of the autoencoder's training
BUDGET=${BUDGET:-400}               # seconds of the second call in all
BATCH=${BATCH:-1024}
RATE=${RATE:-1e-3}
MODEL=${MODEL:-src/dreamsampler/models/bundled}
VAE=${VAE:-$MODEL/vae}
WORK=${WORK:-$(mktemp -d)}
export PYTHONPATH=src${PYTHONPATH:+:$PYTHONPATH}
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TORCHINDUCTOR_CACHE_DIR=$WORK/inductor
mkdir -p "$OUT" "$WORK"
[ -f "$PACK/inductor.tar.xz" ] && tar -C "$WORK" -xf "$PACK/inductor.tar.xz"
say() { echo "[$SECONDS s] $*"; }

all() {  # the same command once for each shard, side by side
    local shard pids=()
    for ((shard = 0; shard < PROCESSES; shard++)); do
        OMP_NUM_THREADS=1 "$@" --first "$shard" --shards 1 >>"$WORK/render.txt" & pids+=($!)
    done
    for shard in "${pids[@]}"; do wait "$shard"; done
}
minutes() { "$PYTHON" -c "print($1 / 60)"; }
encode() {
    "$PYTHON" -m training.denoiser.encode --vae "$VAE" --data "$WORK/$1" --device "$DEVICE" --batch 256 >>"$WORK/encode.txt"
}
denoiser() {
    "$PYTHON" -m training.denoiser.train --tokenizer "$MODEL/tokenizer" --warm "$MODEL" --vae "$VAE" \
        --data "$WORK/icons" --objects "$WORK/objects" --share 0.25 --often noto=2,rare=2 \
        --device "$DEVICE" --workers 1 --batch "$BATCH" --lr "$RATE" --every 100 "$@"
}

autoencoder() {
    local train="$PYTHON -m training.autoencoder.train --device $DEVICE --workers 1 --muon --lr 3e-3"
    say "render for the autoencoder; compile meanwhile"
    mkdir -p "$WORK/dry" "$WORK/ae"
    "$PYTHON" -c "import numpy; numpy.save('$WORK/dry/autoencoder.npy', numpy.random.randint(0, 255, (512, 128, 128, 3), numpy.uint8)); numpy.save('$WORK/dry/autoencoder_held.npy', numpy.random.randint(0, 255, (48, 128, 128, 3), numpy.uint8))"
    timeout 90 $train --data "$WORK/dry" --out "$WORK/dry" --warm "$VAE" --minutes 0.01 >"$WORK/dry.txt" 2>&1 & local dry=$!
    OMP_NUM_THREADS=1 "$PYTHON" -m training.autoencoder.render --icons "$PACK/icons" --out "$WORK/ae" --count "$PICTURES" --processes "$PROCESSES"
    wait $dry || tail -20 "$WORK/dry.txt"
    trial >"$WORK/trial.txt" 2>&1 & local trial=$!
    say "train the autoencoder"; tail -2 "$WORK/dry.txt"
    $train --data "$WORK/ae" --out "$WORK/ae" --warm "$VAE" --minutes "$(minutes "$SECONDS_AE")" --every 0.7 --save 9
    wait $trial || true
    cat "$WORK/trial.txt"
    "$PYTHON" -c "from diffusers import AutoencoderKL; AutoencoderKL.from_pretrained('$WORK/ae/vae').half().save_pretrained('$WORK/ae/vae')"
    tar -C "$WORK/ae" -cf "$OUT/vae.tar" vae
    cp "$WORK"/ae/{log.jsonl,loss.png,reconstructions.png} "$OUT"
    tar -C "$WORK" -cJf "$OUT/inductor.tar.xz" inductor
    say "done"
}

trial() {  # the denoiser's trainer on a few pictures: does it run, how fast?
    all "$PYTHON" -m training.data.render --icons "$PACK/glyphs.npz" --out "$WORK/icons" --size 200
    all "$PYTHON" -m training.data.objects --out "$WORK/objects" --size 20
    encode icons; encode objects
    denoiser --run "$WORK/trial" --minutes 1.4 --steps "${TRIAL:-300}" --decay 0.1 --save 9
}

whole() {
    say "render icons"
    all "$PYTHON" -m training.data.render --icons "$PACK/glyphs.npz" --out "$WORK/icons" --size "$SHARD"
    say "encode icons; render objects"
    (all "$PYTHON" -m training.data.objects --out "$WORK/objects" --size "$OBJECTS"; encode objects) & local objects=$!
    encode icons
    local left=$((BUDGET - SECONDS - 30))
    say "train for $left s"
    denoiser --run "$WORK/run" --minutes "$(minutes $left)" --decay "$(minutes $((left * 6 / 10)))" --save 1.5
    wait $objects || tail -5 "$WORK/encode.txt"
    say "export"
    "$PYTHON" -m training.denoiser.export --run "$WORK/run" --vae "$VAE" --tokenizer "$MODEL/tokenizer" --out "$WORK/pipeline"
    cp "$WORK/run/log.txt" "$WORK/run/loss.png" "$OUT" || true
    cp "$(ls "$WORK"/run/samples_*.png | tail -1)" "$OUT/samples.png" || true
    tar -C "$WORK" -cf - pipeline/unet pipeline/text_encoder | split -b 15M - "$OUT/pipeline.tar."
    say "done"
}

case $STAGE in autoencoder) autoencoder ;; denoiser) whole ;; *) echo "STAGE is $STAGE" && exit 2 ;; esac
