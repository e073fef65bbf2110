"""Wrong usage: one line that says what is wrong and where the help is, and exit code 2."""

from __future__ import annotations

import pytest
from command_line import run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("clear a.tif", "clear: missing option '--output'"),
        ("clear a.tif --outptu b.tif", "clear: no such option: --outptu; did you mean --output?"),
        ("claer a.tif", "no such command 'claer'; did you mean 'clear'?"),
        ("clear a.tif --output b.tif --level L3", "'L3' is not one of 'L1C', 'L2A'"),
        ("view a.tif --port 99999", "invalid value for '--port'"),
        ("data pack foldrs", "data pack: no such command 'foldrs'; did you mean 'folders'?"),
        ("series a.tif --output cleared", "series: invalid value: a series needs at least two dates"),
        ("clear a.tif --output b.tif --overwrite --skip-existing", "is the opposite of --overwrite"),
        ("clear a.tif --output b --workers 100000", "--workers: 100000: one for each core is best"),
        ("evaluate land-cover a b --seed 18446744073709551616", "invalid value for '--seed'"),
        ("export default --output a.onnx --size 0", "invalid value for '--size'"),
        ("clear a.tif --output", "requires an argument"),
        ("view", "view: missing argument 'SCENE...'"),
        ("--nope", "no such option: --nope"),
        ("mask a.tif --output b.tif --model x", "no such option: --model; see "),
    ],
)
def test_wrong_usage_is_one_line(words, message):
    result = run(*words.split())
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr and result.stderr.endswith(" --help\n")


@pytest.mark.parametrize("words", ["", "data pack"])
def test_without_arguments_the_help_is_shown(words):
    result = run(*words.split())
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


def test_a_folder_of_dates_is_no_series_by_itself(tmp_path):
    (tmp_path / "a.tif").touch()
    result = run("series", f"{tmp_path}/", "--output", f"{tmp_path}/out/")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert f"if its files are the dates, name them: {tmp_path}/*.tif" in result.stderr
