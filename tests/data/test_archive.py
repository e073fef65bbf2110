"""What an archive promises: the pixels come back, other versions and foreign values are refused."""

import os
import pickle
import shutil

import archives
import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load, save

from unclouded.data.archive import SCHEMA, TABLE, Archive, decode, encode
from unclouded.data.archive_writer import ArchiveWriter
from unclouded.errors import FileError, InputError, OutputExistsError


@pytest.fixture
def path(tmp_path):
    return archives.made(tmp_path / "archive", clear=5, cloudy=3)


def test_pixels_come_back_bit_by_bit(path):
    with Archive(path) as archive:
        assert len(archive) == 8
        assert archive.table.schema.equals(SCHEMA)
        ids = archive.table["patch_id"].to_pylist()
        assert ids == sorted(ids)
        for name, tensor in archives.pixels(ids[0]).items():
            found = archive.read(ids[0])[name]
            assert found.dtype == np.uint16 and np.array_equal(found, tensor)


def test_values_are_safetensors_that_the_library_reads_and_writes():
    tensors = {"B02": np.arange(12, dtype=np.uint16).reshape(3, 4), "VV": np.full((2, 2), -12.5, np.float32)}
    ours, theirs = encode(tensors), save(tensors)
    for value in (ours, theirs):
        for read in (load(value), decode(value)):
            assert set(read) == set(tensors)
            assert all(np.array_equal(read[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize(
    "value",
    [b"", b"\x80\x04N.", pickle.dumps({"B02": 1}), b"\xff" * 64, encode({"B02": np.zeros(9, np.uint16)})[:-1]],
    ids=["empty", "short pickle", "pickle", "noise", "cut short"],
)
def test_a_value_that_is_not_safetensors_is_an_error_and_never_executed(tmp_path, value):
    path = archives.made(tmp_path / "archive", clear=1)
    with lmdb.open(str(path), map_size=2**26) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"Y_train_000", value)
    with Archive(path) as archive, pytest.raises(FileError, match="Y_train_000"):
        archive.read("Y_train_000")


def test_offsets_outside_of_the_value_are_refused():
    value = encode({"B02": np.zeros(4, np.uint16)})
    with pytest.raises(ValueError, match="outside"):
        decode(value.replace(b"[0,8]", b"[8,0]"))


def test_it_can_be_pickled_and_read_after_closing(path):
    archive = Archive(path)
    other = pickle.loads(pickle.dumps(archive))
    key = archive.table["patch_id"][0].as_py()
    kept = archive.read(key)
    archive.close()
    assert np.array_equal(kept["B02"], other.read(key)["B02"])
    assert np.array_equal(kept["B02"], archive.read(key)["B02"])


def test_missing_files_versions_and_keys_are_named(path, tmp_path):
    with Archive(path) as archive, pytest.raises(InputError, match="nobody"):
        archive.read("nobody")
    with pytest.raises(FileError, match=TABLE):
        Archive(tmp_path)
    other = tmp_path / "other"
    shutil.copytree(path, other)
    table = pq.read_table(path / TABLE).replace_schema_metadata({b"unclouded_archive": b"99"})
    pq.write_table(table, other / TABLE)
    with pytest.raises(InputError, match="version 99"):
        Archive(other)
    (other / TABLE).write_bytes(b"PAR1 but not really")
    with pytest.raises(FileError, match=TABLE):
        Archive(other)
    shutil.copy(path / TABLE, other / TABLE)
    (other / "data.mdb").write_bytes(b"no LMDB at all" * 1000)
    with pytest.raises(FileError, match=r"data\.mdb"):
        Archive(other)


def test_nothing_is_there_before_it_is_finished(tmp_path):
    path = tmp_path / "archive"
    with ArchiveWriter(path) as writer:
        writer.put({"a": encode(archives.pixels("a"))}, [archives.row("a")])
        assert not path.exists()
    assert not path.exists()
    with ArchiveWriter(path) as writer:
        assert writer.done == {"a"}
        writer.refuse({"b": "has no B02"})
        writer.finish()
    assert sorted(file.name for file in path.iterdir()) == ["broken.csv", "data.mdb", TABLE]
    assert (path / "broken.csv").read_text().splitlines() == ["patch_id,reason", "b,has no B02"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["archive"]
    with pytest.raises(OutputExistsError, match="archive"), ArchiveWriter(path):
        pass


def test_a_row_without_its_values_and_another_origin_are_refused(tmp_path):
    with ArchiveWriter(tmp_path / "a", origin="one") as writer, pytest.raises(FileError, match="ghost"):
        writer.put({"a": encode(archives.pixels("a"))}, [archives.row("a", s1_name="ghost")])
        writer.finish()
    with pytest.raises(InputError, match="one"), ArchiveWriter(tmp_path / "a", origin="two"):
        pass


def test_an_empty_archive_is_refused(tmp_path):
    with ArchiveWriter(tmp_path / "a") as writer, pytest.raises(InputError, match="not one patch"):
        writer.finish()


def test_the_table_is_in_the_schema_of_bigearthnet_v2_and_ours():
    assert SCHEMA.names[:8] == [
        *("patch_id", "labels", "split", "country", "s1_name", "s2v1_name"),
        *("contains_seasonal_snow", "contains_cloud_or_shadow"),
    ]
    assert SCHEMA.field("labels").type == pa.list_(pa.string())


def test_it_can_be_read_after_a_fork(path):
    with Archive(path) as archive, Archive(path) as other:
        key = archive.table["patch_id"][0].as_py()
        before = archive.read(key)["B02"]
        child = os.fork()
        if child == 0:
            same = all(np.array_equal(opened.read(key)["B02"], before) for opened in (archive, other))
            os._exit(0 if same else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert np.array_equal(archive.read(key)["B02"], before)
