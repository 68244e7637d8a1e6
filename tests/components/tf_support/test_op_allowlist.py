"""What may stand in a graph: real exports of toy models pass; files, Python and the saver's own functions elsewhere do not."""

import shutil

import encoder_kit
import published
import pytest
import tensorflow as tf
import tensorflow_text as text

from components.networks import encoder_tf_hub
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
    one = exported(tmp_path / "fast", lambda text: fast.tokenize(text).merge_dims(1, -1).to_tensor(0), fast=fast)
    assert op_allowlist.look(one, 100.0) == ([], True)
    keys = tf.lookup.KeyValueTensorInitializer(tokens, range(6), tf.string, tf.int64)
    table = tf.lookup.StaticVocabularyTable(keys, 1)
    slow = text.BertTokenizer(table, lower_case=True, token_out_type=tf.int64)
    other = exported(
        tmp_path / "slow",
        lambda text: slow.tokenize(text).merge_dims(1, -1).to_tensor(0),
        slow=slow,
        table=table,
    )
    assert op_allowlist.look(other, 100.0) == ([], True)


def test_recurrent_loops_and_branches_pass(tmp_path):
    def answer(text):
        return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.strings.join([x, x])), (0, text))[1]

    assert faults(exported(tmp_path / "loop", answer)) == []


@pytest.mark.parametrize(
    ("op", "answer"),
    [
        ("ReadFile", lambda text: tf.map_fn(tf.io.read_file, text)),
        ("WriteFile", lambda text: tf.map_fn(lambda one: (tf.io.write_file("/tmp/newsdesk-pwned", one), one)[1], text)),
        ("EagerPyFunc", lambda text: tf.py_function(lambda x: x, [text], tf.string)),
        ("PyFunc", lambda text: tf.numpy_function(lambda x: x, [text], tf.string)),
        ("MatchingFiles", lambda text: tf.io.matching_files(text)),
        ("SaveV2", lambda text: (tf.raw_ops.SaveV2(prefix="/tmp/x", tensor_names=["a"], shape_and_slices=[""], tensors=[text]), text)[1]),
        ("RestoreV2", lambda text: tf.raw_ops.RestoreV2(prefix="/tmp/x", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.string])[0]),
        ("PrintV2", lambda text: (tf.print(text), tf.identity(text))[1]),
        ("TensorSliceDataset", lambda text: tf.data.Dataset.from_tensor_slices(text).reduce("", lambda a, b: a + b)),
    ],
)  # fmt: skip
def test_an_operation_that_is_not_listed_is_named(tmp_path, op, answer):
    (fault,) = faults(exported(tmp_path / "m", answer))
    assert fault.startswith("the graph must hold listed operations alone. Received: ")
    assert f"{op}, in " in fault


def test_a_function_that_no_signature_reaches_is_looked_at_too(tmp_path):
    """Loading runs more than the signatures: initialisers of resources, for one."""
    hidden = tf.function(lambda: tf.io.read_file("/etc/hostname"), input_signature=[])
    folder = exported(tmp_path / "m", tf.identity, hidden=hidden)
    assert "ReadFile" in "".join(faults(folder))


def test_a_graph_that_calls_the_saver_outside_of_saving_is_refused(tmp_path):
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


def edited(folder, change):
    """The SavedModel after `change` of its one graph."""
    model = op_allowlist.saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    change(model.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


def function(meta, part):
    return next(f for f in meta.graph_def.library.function if part in f.signature.name)


def main_node(meta, name):
    return next(node for node in meta.graph_def.node if node.name == name.split(":")[0])


def declare_the_signature_s_node_the_saver(meta):
    meta.saver_def.save_tensor_name = meta.signature_def["classify"].outputs["out"].name


def declare_it_and_give_the_client_the_file_name(meta):
    declare_the_signature_s_node_the_saver(meta)
    meta.saver_def.filename_tensor_name = meta.signature_def["classify"].inputs["text"].name


def call_the_served_function_as_the_saver_does(meta):
    node = main_node(meta, meta.saver_def.save_tensor_name)
    node.attr["f"].func.name = function(meta, "signature_wrapper").signature.name


@pytest.mark.parametrize(
    "change",
    [
        declare_the_signature_s_node_the_saver,
        declare_it_and_give_the_client_the_file_name,
        call_the_served_function_as_the_saver_does,
    ],
)
def test_a_served_function_that_writes_files_is_refused_whatever_the_file_calls_its_saver(tmp_path, change):
    folder = exported(tmp_path / "m", tf.identity, weight=tf.Variable(1.0))

    def save_what_the_client_sends(meta):
        served = function(meta, "signature_wrapper")
        name = served.signature.input_arg[0].name
        served.node_def.add(name="save", op="SaveV2").input.extend([name, name, name, name])
        change(meta)

    edited(folder, save_what_the_client_sends)
    assert "SaveV2, in __inference_signature_wrapper" in "".join(faults(folder))


def save_to_a_file_of_its_choice(meta):
    saves = function(meta, "traced_save")
    node = next(node for node in saves.node_def if node.op == "SaveV2")
    node.input[0] = next(node for node in saves.node_def if node.op == "Const").name + ":output:0"


def climb_out_of_the_folder(meta):
    for node in function(meta, "traced_save").node_def:
        if node.op == "Const" and b"_temp/part" in node.attr["value"].tensor.string_val:
            node.attr["value"].tensor.string_val[0] = b"/../../../tmp/x"


def have_a_file_name_without_asking(meta):
    main_node(meta, meta.saver_def.filename_tensor_name).op = "PlaceholderWithDefault"


def let_a_client_choose_the_file(meta):
    meta.signature_def["save"].inputs["path"].name = meta.saver_def.filename_tensor_name


def let_a_client_save(meta):
    meta.signature_def["save"].outputs["out"].name = meta.saver_def.save_tensor_name


@pytest.mark.parametrize(
    "change",
    [
        save_to_a_file_of_its_choice,
        climb_out_of_the_folder,
        have_a_file_name_without_asking,
        let_a_client_choose_the_file,
        let_a_client_save,
    ],
)
def test_a_saver_that_would_touch_other_files_than_its_prefix_is_refused(tmp_path, change):
    folder = edited(exported(tmp_path / "m", tf.identity, weight=tf.Variable(1.0)), change)
    assert "V2, in __inference__traced_save" in "".join(faults(folder))


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """A TensorFlow Hub preprocessor that was loaded and exported again, as in every model with such an encoder."""
    folder = tmp_path_factory.mktemp("again")
    tokens = encoder_tf_hub.Preprocessor(encoder_kit.hub(folder / "encoder"), 8)
    return exported(folder / "m", lambda text: tokens(text)["ids"], tokens=tokens)


def test_the_table_of_a_hub_preprocessor_that_is_exported_again_may_read_its_asset(again):
    assert op_allowlist.look(again, 100.0) == ([], True)


def hand_the_loader_another_object(meta):
    """The table itself in place of the asset."""
    concrete = next(c for name, c in meta.object_graph_def.concrete_functions.items() if "initializer" in name)
    concrete.bound_inputs[0] = concrete.bound_inputs[1]


def hand_the_server_another_path(meta):
    path = meta.graph_def.node.add(name="path", op="Const")
    path.attr["value"].tensor.string_val.append(b"/etc/passwd")
    name = next(n for n, c in meta.object_graph_def.concrete_functions.items() if "initializer" in n)
    node = next(node for node in meta.graph_def.node if node.attr["f"].func.name == name)
    node.input[0] = "path"


def write_another_path_into_the_server_s_variable(meta):
    path = meta.graph_def.node.add(name="path", op="Const")
    path.attr["value"].tensor.string_val.append(b"/etc/passwd")
    next(node for node in meta.graph_def.node if node.op == "AssignVariableOp").input[1] = "path"


def call_it_with_a_path_from_inside(meta):
    library = meta.graph_def.library.function
    inner = next(
        f.signature.name for f in library for node in f.node_def if node.op.startswith("InitializeTableFromText")
    )
    next(node for f in library for node in f.node_def if node.attr["f"].func.name == inner).input[0] = "Const:output:0"


@pytest.mark.parametrize("name", ["/etc/passwd", "../../vocab.txt", ""])
def test_a_preprocessor_s_table_may_read_no_file_outside_the_model_s_assets(again, tmp_path, name):
    folder = shutil.copytree(again, tmp_path / "m")
    edited(folder, lambda meta: setattr(meta.asset_file_def[0], "filename", name))
    assert "InitializeTableFromTextFileV2" in "".join(faults(folder))


@pytest.mark.parametrize(
    "change",
    [
        hand_the_loader_another_object,
        hand_the_server_another_path,
        write_another_path_into_the_server_s_variable,
        call_it_with_a_path_from_inside,
    ],
)
def test_every_way_into_a_table_s_initialiser_must_bring_an_asset(again, tmp_path, change):
    folder = edited(shutil.copytree(again, tmp_path / "m"), change)
    assert "InitializeTableFromTextFileV2" in "".join(faults(folder))


@pytest.mark.parametrize("name", ["extra.py", "keras_metadata.pb", "saved_model.pbtxt", "data/rows.csv"])
def test_other_files_than_a_saved_model_s_are_refused(tmp_path, name):
    folder = shutil.copytree(published.model("good"), tmp_path / "m")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")
    (fault,) = faults(folder)
    assert fault.endswith(f"Received: {name}")


def test_links_damage_absence_and_size_are_refused(tmp_path):
    folder = shutil.copytree(published.model("good"), tmp_path / "m")
    (fault,) = op_allowlist.look(folder, 0.01)[0]
    assert fault.startswith("the model must not be larger than 0 MB. Received: 0.")
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
    risky = {name for name in op_allowlist.ALLOWED | op_allowlist.TEXT if any(word in name for word in suspect)}
    assert risky == set()
    assert {name for name in op_allowlist.ALLOWED if not hasattr(tf.raw_ops, name)} == set()
