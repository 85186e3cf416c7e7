"""A method of your own, in one file: SDEdit with a share of the noise renewed in each step."""

import numpy as np
import torch
from PIL import Image

import dreamsampler as ds
from dreamsampler.maths import draw, fresh, generators
from dreamsampler.methods.inputs import EditInputs


def run(inputs, settings):
    """The steps of the loop, and how many there are."""
    levels = inputs.levels(settings)  # falling, from the noise level `strength`
    steps = ds.dream(
        inputs.target(settings["guidance_scale"]),  # CFG towards the prompt
        ds.LatentVariable(inputs.z_src),  # starts at the source
        levels,
        draw(inputs.z_src, inputs.rng),
        regularize=inputs.regularize,  # the mask and `regularize` of the task
        renoise=fresh(settings["share"], inputs.rng),
    )
    return steps, len(levels)


if __name__ == "__main__":
    model = ds.from_pretrained()
    cat = Image.open("examples/cat.png").convert("RGB").resize((128, 128))
    z = model.encode(torch.from_numpy(np.array(cat)).permute(2, 0, 1)[None] / 127.5 - 1)
    dog, source, null = (model.condition(prompt) for prompt in ("dog face", "cat face", None))
    inputs = EditInputs(model, z, dog, source, null, generators(3, images=1))
    options = {"num_inference_steps": 16, "guidance_scale": 5.0, "strength": 0.75, "share": 0.3}
    steps, total = run(inputs, options)
    image = (model.decode(ds.finish(steps).z0)[0].clamp(-1, 1) + 1) * 127.5
    Image.fromarray(image.round().byte().permute(1, 2, 0).numpy()).save("own-method.png")
    print(total, "steps")
