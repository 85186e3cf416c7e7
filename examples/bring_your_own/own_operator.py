"""An operator of your own, in one file: a lens that darkens the corners."""

import torch

from dreamsampler.operators import is_linear, prox_l2


class Vignette:
    """Every pixel times its light: 1 in the middle, 0.2 in the corners."""

    def A(self, x: torch.Tensor) -> torch.Tensor:
        rows, columns = (torch.linspace(-1, 1, n) for n in x.shape[-2:])
        return x * (1 - 0.4 * (rows[:, None] ** 2 + columns**2))

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return self.A(y)


lens = Vignette()
dark = lens.A(torch.ones(1, 3, 8, 8))  # what was measured of a white picture
x = prox_l2(lens, z=dark, y=dark, gamma=1e4)  # the picture nearest to z that explains y
print("corner:", dark[0, 0, 0, 0].item(), "measured,", x[0, 0, 0, 0].item(), "restored")
assert is_linear(lens)
assert (x - 1).abs().max() < 0.01
