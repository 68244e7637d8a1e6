"""What a SavedModel would do, read from its file without loading it: its operations, its assets, its size.

`tf.saved_model.load` restores variables and runs initialisers, so a graph must be looked at before it is loaded. Every operation
of every function must be among those listed here: arithmetic, arrays, text, lookup tables, control flow. None of them reads or
writes a file, opens a connection or calls Python. Two exceptions, both of which TensorFlow's own exporter writes: the saver's
functions, which may hold the saver's operations on files named by the saver, and may be called by nothing else; and a table read
from a file, which must be an asset of the model itself. Both are decided by the graph's edges, not by what the file declares.

A new family that needs another pure operation adds its name here, under review.
"""

from collections.abc import Mapping
from pathlib import Path

from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

ALLOWED = frozenset(
    """
    Abs Acos Acosh Add AddN AddV2 All Any ApproximateEqual ArgMax ArgMin Asin Asinh Atan Atan2 Atanh BatchMatMul BatchMatMulV2
    BatchMatMulV3 BiasAdd BitwiseAnd BitwiseOr BitwiseXor Ceil ClipByValue Cos Cosh Cumprod Cumsum CumulativeLogsumexp Div
    DivNoNan Einsum Elu Equal Erf Erfc Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual Inv Invert IsFinite IsInf IsNan
    L2Loss LeakyRelu LeftShift Less LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean Min
    Minimum Mod Mul MulNoNan Neg NotEqual Pow Prod RealDiv Reciprocal Relu Relu6 RightShift Rint Round Rsqrt Selu Sigmoid Sign
    Sin Sinh Softmax Softplus Softsign Sqrt Square SquaredDifference Sub Sum Tan Tanh TopK TopKV2 TruncateDiv TruncateMod Xdivy
    Xlogy SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
    UnsortedSegmentSum Bincount DenseBincount RaggedBincount AvgPool Conv2D DepthwiseConv2dNative FusedBatchNorm
    FusedBatchNormV2 FusedBatchNormV3 MaxPool

    BroadcastArgs BroadcastGradientArgs BroadcastTo Cast Concat ConcatOffset ConcatV2 Const DepthToSpace Diag DiagPart
    DynamicPartition DynamicStitch EnsureShape Empty ExpandDims Fill Gather GatherNd GatherV2 GuaranteeConst Identity IdentityN
    InvertPermutation LinSpace MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV3 MatrixDiagV3 MatrixSetDiagV3
    MirrorPad OneHot OnesLike Pack Pad PadV2 ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault
    PreventGradient Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd Select SelectV2 Shape ShapeN
    Size Slice Snapshot SpaceToBatchND BatchToSpaceND SpaceToDepth SparseReorder SparseReshape SparseSegmentMean
    SparseSegmentSqrtN SparseSegmentSum SparseTensorDenseMatMul SparseToDense Split SplitV Squeeze StopGradient StridedSlice
    StridedSliceGrad TensorScatterAdd TensorScatterUpdate Tile Transpose Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2
    Unpack UnravelIndex Where ZerosLike LowerBound UpperBound SparseFillEmptyRows SparseSlice SparseConcat DenseToDenseSetOperation

    RaggedCross RaggedFillEmptyRows RaggedGather RaggedRange RaggedTensorFromVariant RaggedTensorToSparse RaggedTensorToTensor
    RaggedTensorToVariant
    TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
    TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListScatterV2 TensorListSetItem TensorListSplit
    TensorListStack EmptyTensorList

    AsString DecodeBase64 EncodeBase64 DecodeRaw ParseExample ParseExampleV2 ReduceJoin RegexFullMatch RegexReplace
    StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower StringNGrams StringSplit
    StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber StringUpper Substr
    UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript UnicodeTranscode UnsortedSegmentJoin

    Assert Case If StatelessCase StatelessIf While StatelessWhile PartitionedCall StatefulPartitionedCall NoOp ControlTrigger
    Enter Exit LoopCond Merge NextIteration RefEnter RefExit RefIdentity RefMerge RefNextIteration RefSwitch Switch
    SymbolicGradient

    VarHandleOp VarIsInitializedOp ReadVariableOp AssignVariableOp AssignAddVariableOp AssignSubVariableOp DestroyResourceOp
    DisableCopyOnRead ResourceGather ResourceGatherNd VariableShape VariableV2
    HashTableV2 MutableHashTableV2 LookupTableFindV2 LookupTableImportV2 LookupTableInsertV2 LookupTableSizeV2 InitializeTableV2
    LookupTableExportV2 AnonymousHashTable AnonymousMutableHashTable AnonymousMutableDenseHashTable MutableDenseHashTableV2

    StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormalV2
    StatelessRandomUniformV2 StatelessTruncatedNormalV2 RandomStandardNormal RandomUniform RandomUniformInt TruncatedNormal
    """.split()  # noqa: SIM905  # a table for people
)
# tensorflow_text's tokenizers. They exist only where that library is imported, so whoever loads such a graph must import it.
TEXT = frozenset(
    """
    CaseFoldUTF8 ConstrainedSequence FastBertNormalize FastWordpieceTokenizeWithOffsets FindSourceOffsets NormalizeUTF8
    NormalizeUTF8WithOffsetsMap RegexSplitWithOffsets SentenceFragments SentenceFragmentsV2 SplitMergeTokenizeWithOffsets
    TFText>ByteSplitByOffsets TFText>ByteSplitWithOffsets TFText>FastSentencepieceDetokenize TFText>FastSentencepieceTokenize
    TFText>FastWordpieceDetokenize TFText>NgramsStringJoin TFText>RoundRobinGenerateMasks TFText>RoundRobinTrim
    TFText>Utf8Binarize TFText>WhitespaceTokenizeWithOffsetsV2 TokenizerFromLogits UnicodeScriptTokenizeWithOffsets
    WhitespaceTokenizeWithOffsets WordpieceTokenizeWithOffsets
    """.split()  # noqa: SIM905
)
_SAVER = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"})  # ShardedFilename only names
_FROM_FILE = "InitializeTableFromTextFileV2"
_CALLS = ("StatefulPartitionedCall", "PartitionedCall")
_FILES = {"saved_model.pb", "fingerprint.pb"}
# The last is for warm-up requests and for `components.training.warm_start`; no graph reads it.
_FOLDERS = ("variables", "assets", "assets.extra")


def look(folder: Path, max_mb: float) -> tuple[list[str], bool]:
    """(reasons against loading a SavedModel, whether it needs tensorflow_text). Only reads files.

    max_mb: most that the folder may hold, in 10^6 bytes.
    """
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    faults = [f"the folder must hold files, not links. Received: {path.name}" for path in files if path.is_symlink()]
    plain = [path for path in files if not path.is_symlink()]
    names = [path.relative_to(folder) for path in plain]
    odd = [str(name) for name in names if str(name) not in _FILES and name.parts[0] not in _FOLDERS]
    if odd:
        faults.append(
            f"the folder must hold a SavedModel's own files (saved_model.pb, variables, assets, assets.extra). Received: {', '.join(odd[:5])}"
        )
    size = sum(path.stat().st_size for path in plain) / 1e6
    if size > max_mb:
        faults.append(f"the model must not be larger than {max_mb:,.0f} MB. Received: {size:,.1f} MB")
    forbidden, needs_text = operations(folder)
    return faults + forbidden, needs_text


def operations(folder: Path) -> tuple[list[str], bool]:
    """The same for the graph alone."""
    faults: list[str] = []
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / "saved_model.pb").read_bytes())
    except OSError as error:
        return [f"there must be a saved_model.pb. Received: {type(error).__name__}"], False
    except Exception as error:  # protobuf's DecodeError has several addresses
        return [f"saved_model.pb must be readable. Received: {type(error).__name__}"], False
    if len(model.meta_graphs) != 1:
        faults.append(f"a SavedModel must hold one graph. Received: {len(model.meta_graphs)}")
    ops = set()
    for graph in model.meta_graphs:
        graph_faults, graph_ops = _graph(graph)
        faults += graph_faults
        ops |= graph_ops
    return faults, bool(ops & TEXT)


def _graph(meta: meta_graph_pb2.MetaGraphDef) -> tuple[list[str], set[str]]:
    """Faults and operations of one graph."""
    functions = {function.signature.name: function for function in meta.graph_def.library.function}
    savers, saver = _saver(meta, functions)
    refused, ops = set(), set()
    for where, node in _nodes(meta.graph_def):
        ops.add(node.op)
        if where in saver:
            allowed = node.op in ALLOWED or (node.op in _SAVER and _writes_to_prefix(functions[where], node))
        elif node.op == _FROM_FILE:
            allowed = where in functions and len(node.input) > 1 and _is_asset(meta, functions, where, node.input[1])
        else:
            # Checks calls of the saver's functions as well: a graph could call them outside of saving.
            allowed = node.op in ALLOWED or node.op in TEXT or node.op in functions
        if not allowed:
            refused.add(f"{node.op}, in {where or 'the graph'}")
        called = _called(node) & saver
        if called and (where or node.name not in savers):
            refused.add(f"a call of the saver's {', '.join(sorted(called))}, in {where or 'the graph'}")
    return (
        [f"the graph must hold listed operations alone. Received: {'; '.join(sorted(refused)[:8])}"] if refused else []
    ), ops


def _nodes(graph: graph_pb2.GraphDef):
    """(function's name, node) of the whole graph; "" for what is in no function."""
    for node in graph.node:
        yield "", node
    for function in graph.library.function:
        for node in function.node_def:
            yield function.signature.name, node


def _called(node: node_def_pb2.NodeDef) -> set[str]:
    """Names of the functions that a node may call."""
    names = {node.op}
    for value in node.attr.values():
        names |= {value.func.name, *(function.name for function in value.list.func)}
    return names - {""}


def _saver(meta: meta_graph_pb2.MetaGraphDef, functions: Mapping) -> tuple[set[str], set[str]]:
    """(nodes that save and restore, the functions that they call).

    `saver_def` is a part of the file that is judged, and may name any node. A node counts only if its file name is the saver's
    placeholder, and no signature gives that placeholder a value or asks for the node; a function counts only if nothing
    offers it by name to whoever loads the model.
    """
    nodes = {node.name: node for node in meta.graph_def.node}
    offered = {
        _node(info.name)
        for signature in meta.signature_def.values()
        for info in [*signature.inputs.values(), *signature.outputs.values()]
    }
    placeholder = _node(meta.saver_def.filename_tensor_name)
    if placeholder in offered or placeholder not in nodes or nodes[placeholder].op != "Placeholder":
        return set(), set()
    savers, called = set(), set()
    for name in {_node(meta.saver_def.save_tensor_name), _node(meta.saver_def.restore_op_name)} - offered:
        node = nodes.get(name)
        if node is not None and node.op in _CALLS and node.input and _node(node.input[0]) == placeholder:
            savers.add(name)
            called.add(node.attr["f"].func.name)
    return savers, (called & functions.keys()) - set(meta.object_graph_def.concrete_functions)


def _node(tensor: str) -> str:
    """The node that makes a tensor."""
    return tensor.lstrip("^").split(":")[0]


def _writes_to_prefix(function, node: node_def_pb2.NodeDef) -> bool:
    """Whether the files that a saver's operation touches are named by the function's first argument and a plain ending."""
    inside = {other.name: other for other in function.node_def}
    first = function.signature.input_arg[0].name if function.signature.input_arg else ""

    def named(tensor: str, depth: int = 0) -> bool:
        made = inside.get(_node(tensor))
        if made is None or depth > 20:
            return _node(tensor) == first
        if made.op == "StringJoin":
            return named(made.input[0], depth + 1) and all(plain(rest) for rest in _data(made)[1:])
        if made.op == "Pack":
            return all(named(each, depth + 1) for each in _data(made))
        return made.op in ("ShardedFilename", "Identity") and named(made.input[0], depth + 1)

    def plain(tensor: str) -> bool:
        made = inside.get(_node(tensor))
        if made is not None and made.op in ("Select", "SelectV2"):
            return all(plain(each) for each in _data(made)[1:])
        values = made.attr["value"].tensor.string_val if made is not None and made.op == "Const" else [b".."]
        return not any(b".." in value for value in values)

    paths = _data(node)[: 2 if node.op == "MergeV2Checkpoints" else 1]
    return bool(paths) and all(named(path) for path in paths)


def _data(node: node_def_pb2.NodeDef) -> list[str]:
    """A node's data inputs, without its control inputs."""
    return [name for name in node.input if not name.startswith("^")]


def _is_asset(meta: meta_graph_pb2.MetaGraphDef, functions: Mapping, where: str, tensor: str, depth: int = 0) -> bool:
    """Whether a file name inside a function is, for every caller, an asset of the model itself.

    A name comes in as an argument: as a capture that the loader binds, or from each node that calls the function. A model that was
    loaded and exported again has one function more around each of its own.
    """
    arguments = functions[where].signature.input_arg
    names = [argument.name for argument in arguments]
    if tensor not in names or depth > 20 or any(a.number_attr or a.type_list_attr for a in arguments):
        return False
    place, ways = names.index(tensor), []
    concrete = meta.object_graph_def.concrete_functions.get(where)
    if concrete is not None:
        bound = place - (len(names) - len(concrete.bound_inputs))
        ways.append(bound >= 0 and _is_bound_asset(meta, concrete.bound_inputs[bound]))
    for caller, node in _nodes(meta.graph_def):
        if where not in _called(node):
            continue
        direct = node.op == where or (node.op in _CALLS and node.attr["f"].func.name == where)
        inputs = _data(node)
        if not direct or len(inputs) != len(names):
            return False
        if caller:
            ways.append(_is_asset(meta, functions, caller, inputs[place], depth + 1))
        else:
            ways.append(_is_graph_asset(meta, inputs[place]))
    return bool(ways) and all(ways)


def _is_bound_asset(meta: meta_graph_pb2.MetaGraphDef, number: int) -> bool:
    """Whether an object that the loader passes to a function is an asset in the model's folder."""
    bound = meta.object_graph_def.nodes[number]
    return bound.WhichOneof("kind") == "asset" and _inside(meta.asset_file_def[bound.asset.asset_file_def_index])


def _is_graph_asset(meta: meta_graph_pb2.MetaGraphDef, tensor: str) -> bool:
    """The same for a tensor outside of all functions, where TensorFlow Serving puts the asset's path into a variable."""
    nodes = {node.name: node for node in meta.graph_def.node}
    assets = {_node(asset.tensor_info.name) for asset in meta.asset_file_def if _inside(asset)}
    made = nodes.get(_node(tensor))
    if made is None or made.op != "ReadVariableOp":
        return _node(tensor) in assets
    variable = _node(made.input[0])
    users = [node for node in nodes.values() if variable in map(_node, _data(node))]
    written = [_node(node.input[1]) in assets for node in users if node.op == "AssignVariableOp"]
    known = {"AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp"}
    return bool(written) and all(written) and {node.op for node in users} <= known


def _inside(asset: meta_graph_pb2.AssetFileDef) -> bool:
    """Whether an asset's file is in the model's own folder of assets."""
    name = Path(asset.filename)
    return bool(name.parts) and not name.is_absolute() and ".." not in name.parts
