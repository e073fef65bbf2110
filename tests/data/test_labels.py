"""The two nomenclatures of BigEarthNet."""

import pytest

from unclouded.data.labels import LABELS_19, LABELS_43, to_19


def test_the_43_and_the_19_are_complete_and_in_a_fixed_order():
    assert len(LABELS_43) == len(set(LABELS_43)) == 43
    assert list(LABELS_43) == sorted(LABELS_43)
    assert len(LABELS_19) == len(set(LABELS_19)) == 19
    assert (LABELS_19[0], LABELS_19[-1]) == ("Urban fabric", "Marine waters")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["Sea and ocean", "Estuaries", "Rice fields"], ["Arable land", "Marine waters"]),
        (["Peatbogs", "Salines"], ["Inland wetlands", "Coastal wetlands"]),
        (["Burnt areas", "Airports"], []),
        (["Transitional woodland/shrub"], ["Transitional woodland, shrub"]),
        (["Marine waters", "Arable land"], ["Arable land", "Marine waters"]),
    ],
)
def test_classes_merge_and_keep_the_order_of_the_19(labels, expected):
    assert to_19(labels) == expected


def test_eleven_of_the_43_have_no_successor_and_every_one_of_the_19_has_an_origin():
    kept = {label: to_19([label]) for label in LABELS_43}
    assert sum(not found for found in kept.values()) == 11
    assert {label for found in kept.values() for label in found} == set(LABELS_19)


def test_an_unknown_label_is_not_dropped_silently():
    with pytest.raises(KeyError, match="Moon"):
        to_19(["Pastures", "Moon"])
