"""Settings: what is committed is valid; what is wrong is named with its nearest right."""

from pathlib import Path

import pytest

from unclouded.errors import FileError, SettingsError
from unclouded.settings import load_settings

DEFAULT = Path(__file__).resolve().parents[1] / "settings" / "default.yaml"


def test_default_is_valid_and_overridden() -> None:
    assert load_settings(DEFAULT).training.steps > 1000
    assert load_settings(DEFAULT, ["training.steps=7", "model.widths=[8, 8, 8]"]).training.steps == 7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.stepz=7", "did you mean 'steps'"),
        ("modle.latent=7", "did you mean 'model'"),
        ("model.latnet=7", "model.latnet: unknown key; did you mean 'latent'"),
        ("model.widths=[8, 0, 8]", "model: .* a size of 0; 1 or more is accepted"),
        ("published.side=4", "a size of 4; 8 or more is accepted"),
        ("training.steps=-1", "greater than or equal to 0"),
        (f"training.seed={2**64}", "less than or equal to"),
        ("training.steps=many", "valid integer"),
        ("training.precision=fp8", "bf16"),
        ("steps", "key=value"),
        ("training.steps.more=1", "holds a value"),
    ],
)
def test_wrong_values_are_named(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(DEFAULT, [override])


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml")
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n")
    with pytest.raises(SettingsError, match="not settings"):
        load_settings(path)
    path.write_text("a: [1\n")
    with pytest.raises(SettingsError, match="not YAML"):
        load_settings(path)
