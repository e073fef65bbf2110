"""Ground from other dates: exact where the relation is, the same however cut, never much worse for a useless date."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unclouded.references.statistics import BLOCK, ROWS, Layout, Reference, block_statistics, blocks, merge
from unclouded.references.transfer import fit
from unclouded.references.verdicts import verdicts

BANDS = ("B02", "B03", "B04", "B08")


def _land(seed: int, height: int = 160, width: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    types = np.stack([gaussian_filter(rng.normal(size=(height, width)), 3) for _ in range(3)])
    types /= types.std(axis=(1, 2), keepdims=True)
    return (0.2 + 0.02 * np.einsum("ck,kij->cij", rng.normal(size=(4, 3)), types)).astype(np.float32)


def _cloud(shape: tuple[int, int]) -> np.ndarray:
    y, x = np.indices(shape)
    return (y - 60) ** 2 + (x - 90) ** 2 < 40**2


def _statistics(scene, mask, references, names=None, clear=None):
    clear = clear or [np.ones(mask.shape, bool) for _ in references]
    names = names or [f"date {i}" for i in range(len(references))]
    layout = Layout(*mask.shape, BANDS, tuple(Reference(n, BANDS, 5.0 * (i + 1)) for i, n in enumerate(names)))
    return merge(layout, [block_statistics(layout, 0, 0, scene, ~mask, references, clear)])


@pytest.fixture(scope="module")
def covered():
    reference = _land(0)
    truth = (1.2 * reference[[0, 1, 3, 2]] + 0.3 * reference - 0.05).astype(np.float32)
    mask = _cloud(truth.shape[1:])
    return np.where(mask, np.float32(0.7), truth), truth, mask, reference


def _errors(transfer, covered, references):
    _, truth, mask, _ = covered
    ground = transfer.predict(0, 0, references, [np.ones(mask.shape, bool)] * len(references), mask)
    return abs(ground.reflectance - truth)[:, mask].mean(), ground


def test_a_linear_relation_between_other_bands_is_found(covered):
    scene, _, mask, reference = covered
    transfer = fit(_statistics(scene, mask, [reference]), [0])
    error, ground = _errors(transfer, covered, [reference])
    alone, _ = _errors(fit(_statistics(scene, mask, [reference]), []), covered, [reference])
    assert error < 0.1 * alone
    assert (ground.source[mask] == 0).all() and (ground.source[~mask] == -1).all()


def test_windows_give_the_same_bytes_however_they_are_cut(covered):
    scene, _, mask, reference = covered
    clear = np.ones(mask.shape, bool)
    clear[70:, 100:] = False
    transfer = fit(_statistics(scene, mask, [reference], clear=[clear]), [0])
    whole = transfer.predict(0, 0, [reference], [clear], mask)
    for box in (np.s_[0:160, 0:200], np.s_[13:140, 31:190], np.s_[40:90, 50:113], np.s_[64:128, 64:128]):
        window = transfer.predict(box[0].start, box[1].start, [reference[(..., *box)]], [clear[box]], mask[box])
        for name in ("reflectance", "error", "source", "transferred"):
            assert getattr(window, name).tobytes() == getattr(whole, name)[(..., *box)].tobytes()


def test_a_date_of_another_place_hardly_harms(covered):
    scene, _, mask, _ = covered
    stranger = _land(7)
    alone, _ = _errors(fit(_statistics(scene, mask, [stranger]), []), covered, [stranger])
    with_it, _ = _errors(fit(_statistics(scene, mask, [stranger]), [0]), covered, [stranger])
    assert with_it < 1.02 * alone


def test_of_many_dates_the_few_that_help_are_needed(covered):
    scene, truth, mask, reference = covered
    rng = np.random.default_rng(1)
    noisy = [reference + rng.normal(0, 0.03, reference.shape).astype(np.float32) for _ in range(8)]
    references = [*noisy[:5], reference, *noisy[5:]]
    transfer = fit(_statistics(scene, mask, references), range(9))
    assert 5 in transfer.needed and len(transfer.needed) <= 6
    given = [r if k in transfer.needed else None for k, r in enumerate(references)]
    clear = [np.ones(mask.shape, bool) if k in transfer.needed else None for k in range(9)]
    ground = transfer.predict(0, 0, given, clear, mask)
    alone, _ = _errors(fit(_statistics(scene, mask, []), []), covered, [])
    assert abs(ground.reflectance - truth)[:, mask].mean() < 0.1 * alone
    with pytest.raises(ValueError, match="was not given"):
        transfer.predict(0, 0, [None] * 9, clear, mask)


def test_partly_changed_land_has_a_larger_error(covered):
    scene, _, mask, reference = covered
    changed = np.zeros(mask.shape, bool)
    changed[75:, 100:] = True
    scene = np.where(changed & ~mask, _land(11), scene)
    _, ground = _errors(fit(_statistics(scene, mask, [reference]), [0]), covered, [reference])
    assert np.median(ground.error[mask & changed]) > 1.5 * np.median(ground.error[mask & ~changed])


def test_a_scene_without_clear_ground_is_refused(covered):
    scene, _, mask, reference = covered
    with pytest.raises(ValueError, match="clear pixels"):
        fit(_statistics(scene, np.ones_like(mask), [reference]), [0])


def test_where_no_reference_has_the_pixel_the_fill_from_the_scene_stays(covered):
    scene, _, mask, reference = covered
    clear = ~_cloud(mask.shape)
    transfer = fit(_statistics(scene, mask, [reference], clear=[clear]), [0])
    ground = transfer.predict(0, 0, [reference], [clear], mask)
    assert (ground.source[mask] == -1).all() and (ground.transferred[mask] == 0).all()
    assert (ground.error[mask] > 0).all() and np.isfinite(ground.reflectance).all()


def test_blocks_in_any_order_and_halves_of_them_make_the_same_statistics():
    size = BLOCK + 40
    image = _land(3, size, 48)
    mask = np.zeros(image.shape[1:], bool)
    mask[::3] = True
    layout = Layout(size, 48, BANDS, (Reference("date", BANDS),))

    def of(row, stop):
        return block_statistics(layout, row, 0, image[:, row:stop], ~mask[row:stop], [image[:, row:stop]],
                                [~mask[row:stop]])  # fmt: skip

    whole = [of(row, row + BLOCK) for row in (0, BLOCK)]
    halves = [of(box.row, box.bottom) for box in blocks(size, 48)]
    assert [piece.clear.shape[0] * layout.cell for piece in halves] == [ROWS, ROWS, 40]
    first = merge(layout, whole)
    for other in (merge(layout, whole[::-1]), merge(layout, halves), merge(layout, halves[::-1])):
        for name in ("clear", "means", "samples", "position", "sample_visible", "hidden", "hidden_visible"):
            assert getattr(first, name).tobytes() == getattr(other, name).tobytes()
    assert first.clear.sum() == (~mask).sum()


@pytest.mark.parametrize("fault", ["identical", "duplicate", "cloudy", "not common", "elsewhere", "offset", None])
def test_faults_are_named(covered, fault):
    scene, truth, mask, reference = covered
    references, clear = [reference], [np.ones(mask.shape, bool)]
    if fault == "identical":
        references = [truth]
    elif fault == "duplicate":
        references, clear = [reference, reference], clear * 2
    elif fault == "cloudy":
        clear = [np.zeros(mask.shape, bool)]
    elif fault == "not common":
        clear = [mask]
    elif fault == "elsewhere":
        references = [_land(9)]
    elif fault == "offset":
        rng = np.random.default_rng(0)
        references = [truth + np.float32(0.1) + rng.normal(0, 0.004, truth.shape).astype(np.float32)]
    verdict = verdicts(_statistics(scene, mask, references, [f"date {i}" for i in range(len(references))], clear))[-1]
    assert verdict.fault == fault
    assert verdict.usable == (fault in (None, "offset"))
    assert (fault is None) == (verdict.reason == "")


def test_another_season_as_much_brighter_in_the_mean_is_no_offset(covered):
    scene, truth, mask, _ = covered
    brighter = (truth * (1 + 0.1 / np.median(truth, axis=(1, 2), keepdims=True))).astype(np.float32)
    (verdict,) = verdicts(_statistics(scene, mask, [brighter]))
    assert verdict.usable and verdict.fault is None


@pytest.mark.parametrize("seed", [5, 14, 18, 31, 37, 53])
def test_on_a_small_chip_chance_is_no_reason_to_use_a_date(seed):
    truth = _land(seed, 32, 32)
    row, column = np.indices((32, 32))
    mask = (row - 18) ** 2 + (column - 12) ** 2 < 12**2
    noise = gaussian_filter(np.random.default_rng(seed + 50).normal(size=(4, 32, 32)), (0, 4, 4))
    cloud = (0.6 + noise).astype(np.float32)
    statistics = _statistics(np.where(mask, np.float32(0.7), truth), mask, [cloud])
    grounds = [fit(statistics, some).predict(0, 0, [cloud], [np.ones_like(mask)], mask) for some in ([], [0])]
    alone, with_it = (abs(ground.reflectance - truth)[:, mask].mean() for ground in grounds)
    assert with_it <= 1.02 * alone


def test_of_a_date_partly_under_snow_the_rest_is_used_and_the_snow_is_not(covered):
    scene, truth, mask, reference = covered
    snow = np.indices(mask.shape)[1] > 100
    snowy = np.where(snow, 0.3 * reference + np.float32(0.5), reference)
    error, ground = _errors(fit(_statistics(scene, mask, [snowy]), [0]), covered, [snowy])
    alone = fit(_statistics(scene, mask, []), []).predict(0, 0, [], [], mask)
    assert (ground.transferred[mask & snow] == 0).all()
    np.testing.assert_allclose(ground.reflectance[:, mask & snow], alone.reflectance[:, mask & snow], atol=1e-4)
    bare = mask & (np.indices(mask.shape)[1] < 90)
    assert (ground.transferred[bare] > 0.5).mean() > 0.9
    assert abs(ground.reflectance - truth)[:, bare].mean() < 0.5 * abs(alone.reflectance - truth)[:, bare].mean()
    assert error < 0.9 * abs(alone.reflectance - truth)[:, mask].mean()


def test_an_image_three_pixels_off_is_no_worse_than_none(covered):
    scene, truth, mask, reference = covered
    off = np.roll(reference, (3, 3), (1, 2))
    error, _ = _errors(fit(_statistics(scene, mask, [off]), [0]), covered, [off])
    alone = fit(_statistics(scene, mask, []), []).predict(0, 0, [], [], mask)
    assert error <= 1.02 * abs(alone.reflectance - truth)[:, mask].mean()


def test_a_relation_far_outside_of_what_it_was_fitted_to_does_not_run_away(covered):
    scene, _, mask, reference = covered
    bright = np.where(mask, reference + np.float32(0.6), reference)
    _, ground = _errors(fit(_statistics(scene, mask, [bright]), [0]), covered, [bright])
    low, high = scene[:, ~mask].min(axis=1), scene[:, ~mask].max(axis=1)
    made, room = ground.reflectance[:, mask], 0.3 * (high - low)
    assert (made <= (high + room)[:, None]).all() and (made >= (low - room)[:, None]).all()


def test_the_error_of_ground_of_another_kind_depends_on_its_spectrum(covered):
    scene, _, mask, reference = covered
    kind = reference[3] > np.median(reference[3])
    noise = np.random.default_rng(3).normal(0, 0.02, reference.shape).astype(np.float32)
    spoilt = np.where(kind, reference + noise, reference)
    _, ground = _errors(fit(_statistics(scene, mask, [spoilt]), [0]), covered, [spoilt])
    assert np.median(ground.error[mask & kind]) > 1.3 * np.median(ground.error[mask & ~kind])


def test_of_two_hundred_dates_few_are_read(covered):
    corner = np.s_[..., 30:94, 60:124]
    scene, truth, mask, reference = (image[corner] for image in covered)
    rng = np.random.default_rng(4)
    references = [reference + rng.normal(0, 0.02, reference.shape).astype(np.float32) for _ in range(200)]
    transfer = fit(_statistics(scene, mask, references), range(200))
    assert 1 <= len(transfer.needed) <= 6
    given = [r if k in transfer.needed else None for k, r in enumerate(references)]
    clear = [np.ones(mask.shape, bool) if k in transfer.needed else None for k in range(200)]
    error = abs(transfer.predict(0, 0, given, clear, mask).reflectance - truth)[:, mask].mean()
    alone = fit(_statistics(scene, mask, []), []).predict(0, 0, [], [], mask)
    assert error < 0.7 * abs(alone.reflectance - truth)[:, mask].mean()
