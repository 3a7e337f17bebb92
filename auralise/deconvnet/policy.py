"""What may occur in a network, and by what rule it walks back.

A function is replaced by a rule of its name, if it has one here. Everything else runs as it is,
and is allowed if all that autograd notes of it (its *operations*) is linear. So a function made
of linear parts, whoever wrote it, needs no entry.
"""

from torch import nn

RELU, BY_RELU = "relu", "by relu"

# Activations, by the name of the function: back by a ReLU. For those of 2015 and their kin this
# is the published rule; for the others it is an assumption.
ACTIVATIONS = {
    **dict.fromkeys(["relu", "leaky_relu", "elu"], RELU),
    **dict.fromkeys(
        "celu clamp clamp_min clip gelu hardsigmoid hardswish hardtanh mish prelu relu6 rrelu selu "
        "sigmoid silu softplus softsign tanh threshold".split(),
        BY_RELU,
    ),
}

# Of two factors, the one of the higher rank is the gate. A gate is held constant.
GATE_RANKS = {
    **dict.fromkeys(["sigmoid", "hardsigmoid"], 2),
    **dict.fromkeys(["tanh", "relu6", "hardtanh", "clamp", "clip"], 1),
}
PRODUCTS = {"mul", "mul_", "multiply", "multiply_", "__mul__", "__rmul__", "__imul__"}

# Normalisations by the input's own statistics, which are held constant.
OWN_STATISTICS = {"instance_norm", "group_norm", "layer_norm"}

# These take part forward, and not on the way back.
PASSING = {"local_response_norm"}

CONVOLUTIONS = {"conv1d", "conv2d"}
POOLINGS = {"max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"}
DROPOUTS = {"dropout", "dropout1d", "dropout2d", "feature_dropout", "alpha_dropout"}

# Without a gradient, of a signal: these take its size alone, those choose among its values, as
# switches do, and these take numbers out of torch.
OF_ITS_SIZE = set(
    "zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full "
    "new_empty new_tensor".split()
)
CHOOSING = set(
    "__getitem__ gather index_select take_along_dim max_unpool1d max_unpool2d scatter scatter_add "
    "index_add".split()
)
TAKING_OUT = {"item", "tolist", "numpy", "__float__", "__array__"}

# What ends the convolutional part.
END_MODULES = (
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
    nn.Transformer,
    nn.TransformerEncoder,
    nn.TransformerDecoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
)
END_FUNCTIONS = {
    *("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell"),
    *("scaled_dot_product_attention", "multi_head_attention_forward", "softmax"),
}

# Operations of autograd, without "Backward" and number, whose backward is the transpose. Maxima
# are linear once it is known where they were found (the switches).
SHAPING = set(
    "Alias AsStrided Clone Expand Permute ReshapeAlias Select Slice Squeeze ToCopy Transpose T "
    "UnsafeView Unsqueeze View Movedim".split()
)
LINEAR = SHAPING | set(
    "AdaptiveAvgPool2D AdaptiveMaxPool2D Add AvgPool2D AvgPool3D Cat Col2Im ConstantPadNd "
    "CopyBackwards CopySlices Cumsum Diagonal Flip Gather Im2Col Index IndexSelect Max "
    "MaxPool2DWithIndices MaxPool3DWithIndices Mean Neg NativeChannelShuffle PixelShuffle "
    "PixelUnshuffle ReflectionPad1D ReflectionPad2D Repeat ReplicationPad1D ReplicationPad2D Roll "
    "Rsub Split SplitWithSizes Stack Sub Sum Unbind Unfold UpsampleBicubic2D UpsampleBilinear2D "
    "UpsampleLinear1D UpsampleNearest1D UpsampleNearest2D UpsampleNearestExact1D "
    "UpsampleNearestExact2D Copy ChannelShuffle MaskedFill".split()
)
# Linear in one factor, if the other is constant; a quotient in its numerator.
BILINEAR = set("Addmm Addmv Baddbmm Bmm Convolution Div Dot Mm Mul Mv".split())
