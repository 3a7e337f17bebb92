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
        "celu clamp clamp_max clamp_min clip erf gelu hardshrink hardsigmoid hardswish hardtanh "
        "log_sigmoid mish prelu relu6 rrelu selu sigmoid silu softplus softshrink softsign "
        "special_erf special_expit tanh tanhshrink threshold _threshold".split(),
        BY_RELU,
    ),
}

# Of two factors, the one of the higher rank is the gate. A gate is held constant, unless it is made
# of what it multiplies by pointwise functions alone: then the product is an activation.
GATE_RANKS = {
    **dict.fromkeys(["sigmoid", "special_expit", "hardsigmoid"], 2),
    **dict.fromkeys(["tanh", "erf", "special_erf", "relu6", "hardtanh", "clamp", "clip"], 1),
}
PRODUCTS = {"mul", "multiply", "__mul__", "__rmul__", "__imul__"}
QUOTIENTS = {"div", "divide", "true_divide", "__truediv__", "__div__", "__itruediv__", "__idiv__"}
# A mask of where a signal is above zero times the signal is the ReLU, however the mask is cast.
ABOVE = {"gt", "ge", "greater", "greater_equal", "__gt__", "__ge__"}
CASTS = {"to", "type", "type_as", "float", "half", "bfloat16", "double"}
# Where a signal grows without end, these of it have limits as gates have, or none.
GROWING = {"exp", "reciprocal", "rdiv", "rtruediv"}

# Functions of each value alone, without leading and closing "_".
SCALINGS = set("mul multiply rmul imul div divide true_divide truediv itruediv".split())
ARITHMETIC = SCALINGS.union("add radd iadd sub subtract rsub isub neg negative positive".split())
POINTWISE = ARITHMETIC.union(
    ACTIVATIONS,
    "abs absolute clone exp expm1 log log1p pow rdiv reciprocal rpow rsqrt rtruediv sqrt".split(),
    ["square"],
)

# Of two signals, the larger or smaller has its switches; of a signal and a constant, it is an
# activation.
LARGER_OF_TWO = {"maximum", "minimum", "fmax", "fmin", "max", "min"}

# Normalisations by the input's own statistics, which are held constant.
OWN_STATISTICS = {"instance_norm", "group_norm", "layer_norm", "rms_norm", "normalize"}
# Written by hand, a factor is a statistic of the other one, and so held constant, if it is one
# value for many, one of the first is behind it, and nothing learned is; a divisor needs none of
# the first. What is taken off a signal before that is held constant, too, if it is a centre.
OF_STATISTICS = frozenset("LinalgVectorNorm Norm Reciprocal Rsqrt Sqrt Std Var VarMean".split())
OF_CENTRES = frozenset("Amax Amin Max Mean Median Min StdMean Sum VarMean".split())
LEARNED = {"Addmm", "Baddbmm", "Bmm", "Convolution", "Mm"}

# These take part forward, and not on the way back.
PASSING = {"local_response_norm"}

CONVOLUTIONS = {"conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"}
CONVOLUTION_MODULES = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
POOLINGS = {
    *("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"),
    *("max_pool1d_with_indices", "max_pool2d_with_indices"),
}
DROPOUTS = set(
    "dropout dropout1d dropout2d feature_dropout alpha_dropout feature_alpha_dropout".split()
)
# A layer's activation or pooling may stand behind these, if they leave its features as they are.
NORMALISING = OWN_STATISTICS | {"batch_norm"}
FOLLOWING = (
    DROPOUTS | NORMALISING | {"mul", "div", "clone", "contiguous", "pad", "__getitem__", "narrow"}
)

# These change their first argument where their names do not end in "_".
IN_PLACE = {"__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__"}

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
    "AdaptiveAvgPool2D AdaptiveMaxPool2D Add AvgPool2D AvgPool3D Cat ChannelShuffle Col2Im "
    "Complex ConstantPadNd Copy CopyBackwards CopySlices Cumsum Diagonal FftC2C FftC2R FftR2C Fill "
    "Flip Gather Im2Col Imag Index IndexAdd IndexPut IndexSelect MaskedFill Max "
    "MaxPool2DWithIndices MaxPool3DWithIndices "
    "MaxUnpool2D Maximum Mean Min Minimum NativeChannelShuffle Neg PixelShuffle PixelUnshuffle "
    "Real ReflectionPad1D ReflectionPad2D Repeat ReplicationPad1D ReplicationPad2D Roll Rot90 Rsub "
    "Scatter ScatterAdd SliceScatter Split SplitWithSizes Stack Sub Sum Tril Triu Unbind Unfold "
    "UpsampleBicubic2D UpsampleBilinear2D UpsampleLinear1D UpsampleNearest1D UpsampleNearest2D "
    "UpsampleNearestExact1D UpsampleNearestExact2D ViewAsComplex ViewAsReal Where Zero".split()
)
# Linear in one factor, if the other is constant; a quotient in its numerator.
BILINEAR = set("Addmm Addmv Baddbmm Bmm Convolution Div Dot Mm Mul Mv".split())
