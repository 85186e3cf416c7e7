"""Tables as spreadsheets and pandas write them: read as what they are, or refused by name."""

import json

import pytest

from dreamsampler.files import InputError, local, text_encoding
from dreamsampler.interfaces.batch.manifest import manifest_rows
from dreamsampler.interfaces.batch.options import Batch
from dreamsampler.interfaces.batch.rows import Row, read_rows
from dreamsampler.tasks.from_values import task_of

WORDS = "café crème, “naïve” 猫"
WESTERN = "café crème, “naïve”"


def rows(tmp_path, data, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(data)
    return list(manifest_rows(path))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_every_unicode_encoding_is_read_as_it_is(tmp_path, encoding):
    table = f'image,prompt\r\na.png,"{WORDS}"\r\n'
    wanted = [{"image": "a.png", "prompt": WORDS}]
    assert rows(tmp_path, table.encode(encoding)) == wanted
    assert (
        rows(tmp_path, json.dumps(wanted[0], ensure_ascii=False).encode(encoding), "t.jsonl")
        == wanted
    )


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_windows_1252_is_read_with_a_warning_that_names_it(tmp_path, name):
    line = json.dumps({"prompt": WESTERN}, ensure_ascii=False)
    text = f'prompt\n"{WESTERN}"\n' if name == "t.csv" else line
    with pytest.warns(UserWarning, match=r"not UTF-8: it is read as Windows-1252"):
        assert rows(tmp_path, text.encode("cp1252"), name) == [{"prompt": WESTERN}]
    with pytest.raises(InputError, match=r"neither UTF-8 nor Windows-1252: save it as UTF-8"):
        rows(tmp_path, b"prompt\n\x81\x8d\xff\n", name)


def test_half_a_character_of_utf_16_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read"):
        rows(tmp_path, "prompt\ndog".encode("utf-16") + b"\x00")


def test_an_empty_file_has_no_encoding_to_find(tmp_path):
    (tmp_path / "t").write_bytes(b"")
    assert text_encoding(tmp_path / "t") == "utf-8"


@pytest.mark.parametrize(
    "table",
    [
        "image;prompt\na.png;one, two\n",
        "image\tprompt\na.png\tone, two\n",
        "sep=;\nimage;prompt\na.png;one, two\n",
        'image, prompt\na.png, "one, two"\n',
        ' image ,prompt\n a.png ,"one, two "\n',
        'image,prompt,,\na.png,"one, two",,\n',
        'image,prompt\na.png,"one, two",,\n,,,\n',
        ',image,prompt\n0,a.png,"one, two"\n',
        'Unnamed: 0,image,prompt\n0,a.png,"one, two"\n',
        'image,prompt\ra.png,"one, two"\r',
        '\n,,\r\nimage,prompt\n\na.png,"one, two"\n',
        "image|prompt\na.png|one, two\n",
        'Image,PROMPT\na.png,"one, two"\n',
    ],
)
def test_what_spreadsheets_and_pandas_write_is_read(tmp_path, table):
    assert rows(tmp_path, table.encode()) == [{"image": "a.png", "prompt": "one, two"}]
    assert rows(tmp_path, table.encode(), "t.tsv") == [{"image": "a.png", "prompt": "one, two"}]


def test_what_cannot_be_told_is_refused_by_name(tmp_path):
    for table in ("image,prompt,prompt\na.png,dog,fox\n", "prompt;image;prompt\n"):
        with pytest.raises(InputError, match=r"t\.csv has .prompt. twice"):
            rows(tmp_path, table.encode())
    (twice,) = rows(tmp_path, b'{"prompt": "dog", "prompt": "fox"}', "t.jsonl")
    assert isinstance(twice, InputError) and "'prompt' twice" in str(twice)
    lost, many = rows(tmp_path, b"image,,prompt\na.png,here,dog\na.png,,dog,more\n")
    assert "'here' stands in a column without a name" in str(lost)
    assert "4 cells for 3 columns" in str(many)
    (open_quote,) = rows(tmp_path, b'image,prompt\na.png,"dog\na.png,fox\n')
    assert "no CSV (unexpected end of data): quote its cells" in str(open_quote)
    assert rows(tmp_path, b"Mask image,num-images\na.png,2\n") == [
        {"mask_image": "a.png", "num_images": "2"}
    ]
    (index,) = rows(tmp_path, b",image\nrow one,a.png\n")
    assert "'row one' stands in a column without a name" in str(index)


def test_parquet_without_missing_numbers_and_index(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"prompt": ["dog", "cat"], "seed": [3.0, float("nan")], "__index_level_0__": [0, 1]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    first, second = manifest_rows(tmp_path / "t.parquet")
    assert (first, second) == ({"prompt": "dog", "seed": 3.0}, {"prompt": "cat"})
    assert task_of("edit", {"image": "a.png", **first}).seed == 3
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["prompt", "prompt"])
    parquet.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(InputError, match="'prompt' twice"):
        list(manifest_rows(tmp_path / "t.parquet"))


def test_brackets_belong_to_names_and_prompts():
    for name in ("[1] cat.png", "[1].png", "[a"):
        task = task_of("inpaint", {"image": name, "mask_image": name, "prompt": name})
        assert (str(task.image), [str(m) for m in task.mask_image]) == (name, [name])
        assert task.prompt == (name,)
    several = {"image": "a.png", "mask_image": '["a.png", "b.png"]', "prompt": "x"}
    assert [str(m) for m in task_of("inpaint", several).mask_image] == ["a.png", "b.png"]
    with pytest.raises(InputError, match="begins as a JSON list"):
        task_of("inpaint", {**several, "prompt": '["a dog", "a fox"'})


def test_files_are_found_beside_the_table_wherever_a_row_names_them(tmp_path, monkeypatch):
    """In options, operators and regularizers; by ~ and file:// too; else in the current folder."""
    folder, elsewhere = tmp_path / "my table", tmp_path / "elsewhere"
    for each in (folder, elsewhere):
        each.mkdir()
    for name in ("[1] a.png", "hole's.png"):
        (folder / name).touch()
    (elsewhere / "here.png").touch()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(folder))
    home = folder / "[1] a.png"

    def read(**values):
        (found,) = read_rows([values], Batch("t.csv", "out"), folder)
        assert isinstance(found, Row), found.error
        return found.options

    for name in ("[1] a.png", "~/[1] a.png", home.as_uri()):
        restored = read(task="restore", image=name, operator="blur(2) | mask('hole''s.png')")
        assert restored["image"] == str(home)
        (hole,) = task_of("restore", restored).description.inputs()
        assert hole == folder / "hole's.png"
    edit = {"task": "edit", "image": "here.png", "prompt": "dog"}
    for given in ("palette(here.png, colors=3)", "palette(colors=3, path='~/[1] a.png')"):
        found = read(**edit, regularize=given)
        assert found["image"] == "here.png"
        (path,) = task_of("edit", found).regularizers.inputs()
        assert path.exists()
    assert "colors=3" in found["regularize"]
    remote = read(task="restore", image="s3://b/x.png", operator="mask(s3://b/hole.png)")
    assert (remote["image"], remote["operator"]) == ("s3://b/x.png", "mask(s3://b/hole.png)")


def test_a_tilde_of_nobody_is_a_name():
    assert str(local("~nobody-of-that-name/x.png")) == "~nobody-of-that-name/x.png"
    assert str(local("a~b.png")) == "a~b.png"
