"""What may stand in a graph: real exports of toy models pass; files, Python and the saver's own functions elsewhere do not."""

import shutil

import published
import pytest
import tensorflow as tf
import tensorflow_text as text

from components.tf_support import op_allowlist


def exported(folder, answer, **kept):
    """A SavedModel whose `classify` is `answer`, a function of a string[batch]."""
    module = tf.Module()
    for name, value in kept.items():
        setattr(module, name, value)
    spec = tf.TensorSpec([None], tf.string, name="text")
    classify = tf.function(lambda text: {"out": answer(text)}, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(folder), signatures={"classify": classify})
    return folder


def faults(folder):
    return op_allowlist.look(folder, 100.0)[0]


def test_a_family_s_export_passes_and_needs_no_text_library():
    assert op_allowlist.look(published.model("good"), 100.0) == ([], False)


def test_wordpiece_tokenizers_pass_and_say_that_they_need_the_text_library(tmp_path):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b"]
    fast = text.FastBertTokenizer(tokens, token_out_type=tf.int32, lower_case_nfd_strip_accents=True)
    one = exported(tmp_path / "fast", lambda said: fast.tokenize(said).merge_dims(1, -1).to_tensor(0), fast=fast)
    assert op_allowlist.look(one, 100.0) == ([], True)
    keys = tf.lookup.KeyValueTensorInitializer(tokens, range(6), tf.string, tf.int64)
    table = tf.lookup.StaticVocabularyTable(keys, 1)
    slow = text.BertTokenizer(table, lower_case=True, token_out_type=tf.int64)
    other = exported(
        tmp_path / "slow", lambda said: slow.tokenize(said).merge_dims(1, -1).to_tensor(0), slow=slow, table=table
    )
    assert op_allowlist.look(other, 100.0) == ([], True)


def test_recurrent_loops_and_branches_pass(tmp_path):
    def answer(said):
        return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.strings.join([x, x])), (0, said))[1]

    assert faults(exported(tmp_path / "loop", answer)) == []


@pytest.mark.parametrize(
    ("op", "answer"),
    [
        ("ReadFile", lambda said: tf.map_fn(tf.io.read_file, said)),
        ("WriteFile", lambda said: tf.map_fn(lambda one: (tf.io.write_file("/tmp/newsdesk-pwned", one), one)[1], said)),
        ("EagerPyFunc", lambda said: tf.py_function(lambda x: x, [said], tf.string)),
        ("PyFunc", lambda said: tf.numpy_function(lambda x: x, [said], tf.string)),
        ("MatchingFiles", lambda said: tf.io.matching_files(said)),
        ("SaveV2", lambda said: (tf.raw_ops.SaveV2(prefix="/tmp/x", tensor_names=["a"], shape_and_slices=[""], tensors=[said]), said)[1]),
        ("RestoreV2", lambda said: tf.raw_ops.RestoreV2(prefix="/tmp/x", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.string])[0]),
        ("PrintV2", lambda said: (tf.print(said), tf.identity(said))[1]),
        ("TensorSliceDataset", lambda said: tf.data.Dataset.from_tensor_slices(said).reduce("", lambda a, b: a + b)),
    ],
)  # fmt: skip
def test_an_operation_that_is_not_listed_is_named(tmp_path, op, answer):
    (said,) = faults(exported(tmp_path / "m", answer))
    assert said.startswith("the graph must hold listed operations alone. Received: ")
    assert f"{op}, in " in said


def test_a_function_that_no_signature_reaches_is_looked_at_too(tmp_path):
    """Loading runs more than the signatures: initialisers of resources, for one."""
    hidden = tf.function(lambda: tf.io.read_file("/etc/hostname"), input_signature=[])
    folder = exported(tmp_path / "m", tf.identity, hidden=hidden)
    assert "ReadFile" in "".join(faults(folder))


def test_a_graph_that_calls_the_saver_where_nobody_saves_is_refused(tmp_path):
    folder = exported(tmp_path / "m", tf.identity, weight=tf.Variable(1.0))
    model = op_allowlist.saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0].graph_def
    saves = next(f.signature.name for f in graph.library.function if "traced_save" in f.signature.name)
    served = next(f for f in graph.library.function if "signature_wrapper" in f.signature.name)
    node = served.node_def.add(name=model.meta_graphs[0].saver_def.restore_op_name, op="StatefulPartitionedCall")
    node.attr["f"].func.name = saves
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    assert "a call of the saver's __inference__traced_save" in "".join(faults(folder))


@pytest.mark.parametrize("elsewhere", ["../../../etc/passwd", "/etc/passwd"])
def test_a_table_from_a_file_may_read_an_asset_of_the_model_and_nothing_else(tmp_path, elsewhere):
    (tmp_path / "vocabulary.txt").write_text("a\nb\n")

    def table(path):
        numbers = tf.lookup.TextFileInitializer(path, tf.string, 0, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
        return tf.lookup.StaticHashTable(numbers, -1)

    own = table(str(tmp_path / "vocabulary.txt"))
    folder = exported(tmp_path / "own", own.lookup, own=own)
    assert faults(folder) == []
    model = op_allowlist.saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    model.meta_graphs[0].asset_file_def[0].filename = elsewhere
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    assert "InitializeTableFromTextFileV2" in "".join(faults(folder))


@pytest.mark.parametrize("name", ["extra.py", "keras_metadata.pb", "saved_model.pbtxt", "data/rows.csv"])
def test_other_files_than_a_saved_model_s_are_refused(tmp_path, name):
    folder = shutil.copytree(published.model("good"), tmp_path / "m")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")
    (said,) = faults(folder)
    assert said.endswith(f"Received: {name}")


def test_links_damage_absence_and_size_are_refused(tmp_path):
    folder = shutil.copytree(published.model("good"), tmp_path / "m")
    (said,) = op_allowlist.look(folder, 0.01)[0]
    assert said.startswith("the model must not be larger than 0 MB. Received: 0.")
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "secret").symlink_to("/etc/passwd")
    assert faults(folder) == ["the folder must hold files, not links. Received: secret"]
    (folder / "assets" / "secret").unlink()
    (folder / "saved_model.pb").write_bytes(b"garbage" * 100)
    assert faults(folder) == ["saved_model.pb must be readable. Received: DecodeError"]
    (folder / "saved_model.pb").unlink()
    assert faults(folder) == ["there must be a saved_model.pb. Received: FileNotFoundError"]


def test_no_listed_operation_touches_files_the_network_or_python():
    suspect = (
        "File",
        "Save",
        "Restore",
        "PyFunc",
        "Dataset",
        "Iterator",
        "Rpc",
        "Send",
        "Recv",
        "Reader",
        "Print",
        "Summary",
        "Remote",
    )
    found = {name for name in op_allowlist.ALLOWED | op_allowlist.TEXT if any(word in name for word in suspect)}
    assert found == set()
    assert {name for name in op_allowlist.ALLOWED if not hasattr(tf.raw_ops, name)} == set()
