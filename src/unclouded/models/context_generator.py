"""Our generator: a context of the scene's clear ground, and a fine network conditioned on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.guides import CHANNELS, GUIDES
from unclouded.inference import InferenceConfig
from unclouded.models.blocks import ModulatedBlock, average_over_cells, enlarge, soften, spread_ground, to_grid
from unclouded.models.context_network import ContextNetwork
from unclouded.models.generator import (
    VALID_SHARE,
    Generator,
    LazyTranslation,
    ReadChannel,
    SceneContext,
    Translation,
    compress,
    expand,
)
from unclouded.models.heads import UNTRAINED_BIAS, ErrorHead, GroundPrior
from unclouded.models.observation import (
    CELL,
    CONDITIONING,
    Observation,
    repeat_edges,
    standardised_guides,
    with_validity,
)
from unclouded.sizes import GeneratorSettings

_BANDS = len(NAMES)
STARTS = (0, 3)
"""First level of the pyramid for the ground near a cell, and for the wider mean, see `blocks.spread_ground`."""

_MARGINS = (48, 64)
"""Candidates for the margin, if the effective receptive field is smaller than it."""

_COUNTS = 1e-5
"""Largest change of the result, a tenth of a DN, if reflectance beyond the margin changes by 1.0."""


class _EncodedTile(NamedTuple):
    """Features of a tile, from which the ground of its crops is computed.

    Attributes:
        x: the tile, extended where it ends near the crop.
        context: of its cells.
        code: of `ContextGenerator.encode_conditioning`.
        features: of `ContextGenerator.encode`.
        prior_features: input of `GroundPrior` for its cells; None without one.
        cells: rows and columns of cells that the features cover.
        corner: cells by which the tile was extended at the top and to the left.
        extended: whether it was extended on any side.
    """

    x: Observation
    context: Tensor
    code: Tensor
    features: Tensor
    prior_features: Tensor | None
    cells: tuple[slice, slice]
    corner: tuple[int, int]
    extended: bool


class ContextGenerator(Generator):
    """Our generator: predicts hidden ground from the clear ground of the whole scene.

    The latent modulates every block of `translate`. No step normalises over space, so tiles agree where they overlap.
    """

    margin = 80

    def __init__(self, settings: GeneratorSettings | None = None, inference: InferenceConfig | None = None) -> None:
        super().__init__(inference)
        self.settings = settings = settings or GeneratorSettings()
        self.takes_cover = settings.cover
        a, b, c = settings.widths
        code = settings.code
        self.context = ContextNetwork(settings)
        self.prior = nn.Parameter(torch.full((_BANDS,), 0.15))
        self.describe = nn.Sequential(
            nn.Linear(CONDITIONING + settings.latent, code), nn.LeakyReLU(0.1), nn.Linear(code, code)
        )
        context = 2 * _BANDS + 1 + settings.features
        self.context_channel_count = context + 1
        self.enter = nn.Conv2d(4 * (_BANDS + 1 + len(CHANNELS) + len(GUIDES) + settings.cover), a, 3, padding=1)
        self.place_high = nn.Conv2d(context, a, 1)
        self.high = ModulatedBlock(a, code)
        self.down1 = nn.Conv2d(a, b, 2, stride=2)
        self.middle = ModulatedBlock(b, code)
        self.down2 = nn.Conv2d(b, c, 2, stride=2)
        self.place_low = nn.Conv2d(context, c, 1)
        self.low = nn.ModuleList(ModulatedBlock(c, code) for _ in range(3))
        self.up2 = nn.ConvTranspose2d(c, b, 2, stride=2)
        self.middle_again = ModulatedBlock(b, code)
        self.up1 = nn.ConvTranspose2d(b, a, 2, stride=2)
        self.high_again = ModulatedBlock(a, code)
        self.leave = nn.Conv2d(a, 4 * (2 * _BANDS + 2), 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.normal_(parameter, std=0.01)
        self.error = ErrorHead(a, self.context_channel_count, code)
        self.expected = GroundPrior() if settings.ground_prior else None

    @torch.inference_mode()
    def measure_margin(self) -> None:
        """Reduce `margin`, at first that of the whole receptive field, to the effective one's (Luo et al. 2016).

        In a trained network that is much smaller, and the margin takes most of the time of a small crop.
        """
        rng = torch.Generator().manual_seed(0)
        cells = 2 * (self.margin // CELL) + 1
        optical = 0.3 * torch.rand(1, _BANDS, CELL * cells, CELL * cells, generator=rng)
        context = 0.3 * torch.rand(1, self.context_channel_count, cells, cells, generator=rng)
        centre = (slice(self.margin // CELL, self.margin // CELL + 1),) * 2

        def made(optical: Tensor) -> Translation:
            x = Observation.of(optical, torch.ones(1, _BANDS), torch.ones(1))
            return self.translate(x, context, torch.zeros(1, self.settings.latent), centre)

        base = made(optical)
        for margin in _MARGINS:
            white, near = optical + 1, slice(self.margin - margin, self.margin + CELL + margin)
            white[..., near, near] = optical[..., near, near]
            if all(bool(((one - other).abs() < _COUNTS).all()) for one, other in zip(made(white), base, strict=True)):
                self.margin = margin
                return

    @property
    def error_learnt(self) -> bool:
        """Whether the error head has been fitted."""
        return float(self.error.leave.bias) != UNTRAINED_BIAS

    def spread(self, statistics: Tensor, scene: SceneContext) -> Tensor:
        """Spread the trusted ground over the whole grid: (B, 28 + F, h, w), the context of `translate`.

        Holds the ground near each cell and the wider mean (reflectance, 13 bands each), the trust, the features, and
        how far the brightness (mean over the bands) of the trusted ground around varies, as a standard deviation.
        """
        if not torch.is_grad_enabled():
            return super().spread(statistics, scene)
        return self._spread_at_once(statistics, scene)

    def _spread_at_once(self, statistics: Tensor, scene: SceneContext) -> Tensor:
        weight, cells = scene.trust * statistics[:, VALID_SHARE, None], expand(statistics[:, :_BANDS])
        near, wide = (self._ground(cells, weight, self.prior, start) for start in STARTS)
        variation = self._variation(cells.mean(1, keepdim=True), wide.mean(1, keepdim=True), weight)
        return torch.cat([near, wide, scene.trust, scene.features, variation], dim=1)

    def context_channels(self, statistic: ReadChannel, trust: Tensor, feature: ReadChannel) -> Iterator[Tensor]:
        """The channels of `spread`, see `Generator.context_channels`."""
        weight = trust * statistic(VALID_SHARE)
        brightness = wide = torch.zeros_like(trust)
        for start in STARTS:
            for band in range(_BANDS):
                cells = expand(statistic(band))
                ground = self._ground(cells, weight, self.prior[band : band + 1], start)
                if start == STARTS[-1]:
                    brightness, wide = brightness + cells / _BANDS, wide + ground / _BANDS
                yield ground
        yield trust
        for number in range(self.settings.features):
            yield feature(number)
        yield self._variation(brightness, wide, weight)

    def _ground(self, cells: Tensor, weight: Tensor, prior: Tensor, start: int) -> Tensor:
        """Spread values of the cells over the grid; a higher `start` gives a wider mean."""
        return spread_ground(cells, weight, prior, persistence=0.1, start=start)

    def _variation(self, brightness: Tensor, mean: Tensor, weight: Tensor) -> Tensor:
        """Standard deviation of the trusted cells' `brightness` around its wider `mean`, (B, 1, h, w) each."""
        squares = self._ground(brightness.square(), weight, self.prior.mean()[None].square(), STARTS[-1])
        return (squares - mean.square()).clamp(min=0).sqrt().detach()

    def translate(
        self, x: Observation, context: Tensor, z: Tensor, crop: tuple[slice, slice] | None = None
    ) -> Translation:
        """Translate a tile, see `Generator.translate`; the last layers work on `crop` alone."""
        height, width = context.shape[-2:]
        crop = crop or (slice(0, height), slice(0, width))
        return self._draw(self._encode_tile(x, context, z, crop), crop)

    def translate_lazily(
        self, x: Observation, context: Tensor, z: Tensor, crop: tuple[slice, slice]
    ) -> LazyTranslation:
        """See `Generator.translate_lazily`; the opacity takes a sixth of the time of the whole translation."""
        tile = self._encode_tile(x, context, z, crop)
        # The opacity is the last plane of the last layer, in 4 channels; the last 8, since `soften` rounds a single
        # plane differently.
        weight, bias = self.leave.weight[-8:], self.leave.bias
        assert bias is not None
        planes = soften(F.pixel_shuffle(F.conv2d(tile.features, weight, bias[-8:], padding=1), 2))
        opacity = torch.sigmoid(_planes(planes[:, -1:]))
        rows, columns = (
            _shift(_shift(cells, -start), cut.start)
            for cells, start, cut in zip(crop, tile.corner, tile.cells, strict=True)
        )
        return LazyTranslation(_cut(opacity, (rows, columns), CELL), lambda part: self._draw(tile, part))

    def _encode_tile(self, x: Observation, context: Tensor, z: Tensor, crop: tuple[slice, slice]) -> _EncodedTile:
        """Compute the features for the ground of a crop."""
        left, right, top, bottom = beyond = self._edges_near(context, crop)
        rows, columns = crop
        if any(beyond):
            # Zero padding of convolutions would cause a dark frame of five pixels around a scene.
            x = repeat_edges(x, (CELL * left, CELL * right, CELL * top, CELL * bottom))
            context = F.pad(context, beyond, mode="replicate")
            rows = _grow(_shift(rows, -top), context.shape[2])
            columns = _grow(_shift(columns, -left), context.shape[3])
        code = self.encode_conditioning(x, z)
        features = self.encode(x, context[:, :-1], code, (rows, columns))
        prior_features = None if self.expected is None else self.expected.features(x, context)
        return _EncodedTile(x, context, code, features, prior_features, (rows, columns), (top, left), any(beyond))

    def _edges_near(self, context: Tensor, crop: tuple[slice, slice]) -> tuple[int, int, int, int]:
        """Whether each edge of a tile is near enough to influence a crop, 1 or 0: left, right, top, bottom."""
        (rows, columns), (height, width) = crop, context.shape[-2:]
        away = columns.start, width - columns.stop, rows.start, height - rows.stop
        # The outermost cells of a crop need not agree with the whole.
        left, right, top, bottom = (int(CELL * (cells + 1) < self.margin) for cells in away)
        return left, right, top, bottom

    def _draw(self, tile: _EncodedTile, crop: tuple[slice, slice]) -> Translation:
        """Compute the translation of a part of an encoded tile."""
        if not tile.extended:
            return self._translate(tile, crop)
        rows, columns = (_shift(cells, -start) for cells, start in zip(crop, tile.corner, strict=True))
        grown = _grow(rows, tile.context.shape[2]), _grow(columns, tile.context.shape[3])
        wanted = _shift(rows, grown[0].start), _shift(columns, grown[1].start)
        # Contiguous, since operations on strided rows round differently at their ends.
        return Translation(*(_cut(image, wanted, CELL).contiguous() for image in self._translate(tile, grown)))

    def _translate(self, tile: _EncodedTile, crop: tuple[slice, slice]) -> Translation:
        """The same for a crop that does not end at an edge of the tile, or a tile that was not extended."""
        rows, columns = tile.cells
        features = _cut(tile.features, (_shift(crop[0], rows.start), _shift(crop[1], columns.start)), CELL // 2)
        present = tile.x.present[:, :, None, None]
        # The error first, and nothing kept longer than needed, since the peak of memory use is here.
        context = _cut(tile.context, crop, 1)
        error = self.error(features, _condition_errors(context), _cut_code(tile.code, crop, CELL // 2))
        gain, smooth = torch.split(F.pixel_shuffle(self.leave(features), 2), [_BANDS, _BANDS + 2], dim=1)
        gain, smooth = _planes(gain), _planes(soften(smooth))
        offset, blend, logit = torch.split(smooth, [_BANDS, 1, 1], dim=1)
        # Thin cloud leaves detail of the ground in x, which is added to the ground relative to its local mean.
        optical = _cut(tile.x.optical, crop, CELL)
        detail = gain * (optical - enlarge(average_over_cells(optical, CELL), CELL))
        del gain
        ground = _blended(context, torch.sigmoid(blend))
        ground = ground.add_(detail).add_(offset, alpha=0.1).mul_(present)
        expected = ground
        if self.expected is not None and tile.prior_features is not None:
            cells = self.expected(_cut(tile.prior_features, crop, 1), context[:, :_BANDS])
            expected = enlarge(_planes(cells), CELL).mul_(present)
        return Translation(ground, torch.sigmoid(logit), error, detail, expected)

    def encode_conditioning(self, x: Observation, z: Tensor) -> Tensor:
        """Encode the conditioning of a tile and its latent z (B, Z) into the code that modulates the blocks.

        Returns:
            (B, H / 8, W / 8, D), or (B, 1, 1, D) if no guide ends within an image.
        """
        conditioning = x.conditioning
        latent = z[:, None, None].expand(-1, conditioning.shape[1], conditioning.shape[2], -1)
        code: Tensor = self.describe(torch.cat([conditioning, latent], dim=3))
        return code

    def encode(self, x: Observation, context: Tensor, code: Tensor, crop: tuple[slice, slice]) -> Tensor:
        """Encode a `crop` of a tile into features (B, C, h / 2, w / 2).

        Intermediate results are freed here. The last two blocks work on the crop alone, extended by a cell for each.

        Args:
            x: the tile (H, W).
            context: (B, K - 1, H / 8, W / 8), that of `translate` without its last channel.
            code: of `encode_conditioning`.
            crop: rows and columns of cells.
        """
        placed = _placed(context)
        h = self._enter(x).add_(enlarge(self.place_high(placed), CELL // 2))
        h = self.high(h, code)
        m = self.middle(self.down1(h), code)
        w = self.down2(m).add_(self.place_low(placed))
        for block in self.low:
            w = block(w, code)
        rows, columns = around = _grow(crop[0], context.shape[2]), _grow(crop[1], context.shape[3])
        m = self.middle_again(
            self.up2(_cut(w, around, 1)).add_(_cut(m, around, CELL // 4)), _cut_code(code, around, CELL // 4)
        )
        inner = _shift(crop[0], rows.start), _shift(crop[1], columns.start)
        h = self.up1(_cut(m, inner, CELL // 4)).add_(_cut(h, crop, CELL // 2))
        last: Tensor = self.high_again(h, _cut_code(code, crop, CELL // 2))
        return last

    def _enter(self, x: Observation) -> Tensor:
        """The first convolution, over blocks of 2 x 2 pixels: (B, C, H / 2, W / 2)."""
        device = x.optical.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.optical.dtype
        bands, guided = [True] * _BANDS, True
        if torch.is_inference_mode_enabled() and dtype == torch.float32:
            # Channels that are 0 everywhere, such as absent bands and guides, are left out. Not in bfloat16, where
            # products are summed in pairs, so that leaving out channels changes the rounding.
            bands, guided = x.present.any(0).tolist(), bool(x.guide_valid.any())
        optical = (band for band, present in zip(torch.split(x.optical, 1, dim=1), bands, strict=True) if present)
        # Band by band, so that intermediate results stay in the processor's cache.
        planes = [*(compress(band).to(dtype) for band in optical), x.valid]
        if guided:
            planes += with_validity(standardised_guides(x), x.guide_valid.expand(-1, -1, *x.optical.shape[2:]))
        if self.takes_cover:
            planes.append(x.cover)
        fine = torch.cat([plane.to(dtype) for plane in planes], dim=1)
        # 3 x 3 blocks of 2 x 2 pixels are 6 x 6 pixels: the weights are rearranged instead of the image.
        weight = F.pixel_shuffle(self.enter.weight, 2)
        kept = [*bands, True, *[guided] * (len(CHANNELS) + len(GUIDES)), *[True] * self.takes_cover]
        if not all(kept):
            # The output takes the layout of the weights, and channel norms are faster with channels last.
            weight = weight[:, kept].contiguous(memory_format=torch.channels_last)
        return F.conv2d(fine, weight, self.enter.bias, stride=2, padding=2)


def _blended(context: Tensor, blend: Tensor) -> Tensor:
    """Near ground and wider mean of a context, interpolated to pixels and blended: (B, 13, H, W)."""
    near, wide = enlarge(context[:, : 2 * _BANDS], CELL).chunk(2, dim=1)
    return torch.lerp(wide, near, blend)


def _placed(context: Tensor) -> Tensor:
    """A context as input of convolutions: its ground compressed."""
    return torch.cat([compress(context[:, : 2 * _BANDS]), context[:, 2 * _BANDS :]], dim=1)


def _condition_errors(context: Tensor) -> Tensor:
    """A context as input of the error head; log of the variation, since errors are proportional to it."""
    return torch.cat([_placed(context[:, :-1]), torch.log(context[:, -1:] / 0.03 + 0.1)], dim=1)


def _planes(x: Tensor) -> Tensor:
    """Convert `x` (B, C, H, W) from channels last to contiguous float32."""
    # Arithmetic between the two memory layouts takes several times as long.
    return x.to(torch.float32, memory_format=torch.contiguous_format)


def _grow(cells: slice, size: int) -> slice:
    """Extend by one cell on each side, within a tile of `size` cells."""
    return slice(max(0, cells.start - 1), min(size, cells.stop + 1))


def _shift(cells: slice, start: int) -> slice:
    """Cells relative to `start`."""
    return slice(cells.start - start, cells.stop - start)


def _cut(x: Tensor, crop: tuple[slice, slice], side: int) -> Tensor:
    """Cut cells out of `x` (B, C, H, W), in which each is `side` numbers wide."""
    rows, columns = (slice(cells.start * side, cells.stop * side) for cells in crop)
    return x[:, :, rows, columns]


def _cut_code(code: Tensor, crop: tuple[slice, slice], side: int) -> Tensor:
    """Cut cells out of a code (B, h, w, D), interpolated to `side` numbers each; a single vector is kept.

    Interpolated before it is cut, so that the edges of a crop agree with the whole.
    """
    if code.shape[1:3] == (1, 1):
        return code
    rows, columns = (slice(cells.start * side, cells.stop * side) for cells in crop)
    return to_grid(code, code.shape[1] * side, code.shape[2] * side)[:, rows, columns]
