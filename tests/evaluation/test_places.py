from pathlib import Path

import numpy as np
import yaml

SETTINGS = Path(__file__).resolve().parents[2] / "settings"
PLACES = yaml.safe_load((SETTINGS / "places.yaml").read_text())
PARTS = ("train", "validation", "left_out")


def listed(source):
    return [str(place) for part in PARTS for place in PLACES[part].get(source, [])]


def test_no_training_image_shows_a_validation_place():
    collection = yaml.safe_load((SETTINGS / "collection.yaml").read_text())
    rois = {name.split("/")[0] for side in collection["sen12mscr"].values() for name in side}
    triplets = {name for side in collection["sen12mscr_triplets.npz"].values() for name in side}
    assert rois and not rois & {str(roi) for roi in PLACES["validation"]["sen12mscr"]}
    assert triplets and not triplets & set(PLACES["validation"]["triplets"])


def test_every_pair_has_exactly_one_part(shared_data):
    rois = {folder.name.split("_")[1] for folder in shared_data.glob("sen12mscr/*_s2/s2_*")}
    with np.load(shared_data / "sen12mscr_triplets.npz") as arrays:
        triplets = {str(name) for name in arrays["name"]}
    assert sorted(listed("sen12mscr")) == sorted(rois)
    assert sorted(listed("triplets")) == sorted(triplets)


def test_clear_images_are_of_validation_places():
    assert {name.split("/")[0] for name in PLACES["clear"]["sen12mscr"]} <= {
        str(roi) for roi in PLACES["validation"]["sen12mscr"]
    }
    assert set(PLACES["clear"]["triplets"]) <= set(PLACES["validation"]["triplets"])
