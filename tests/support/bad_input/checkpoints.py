"""Bad conversions of whole networks: state dicts, trees, names, files and modules."""

from support.bad_input import bad
from support.bad_input.valid import ones

FLAT, LIKE = {"fc.weight": ones(3, 2)}, {"head": {"kernel": ones(2, 3)}}
BOTH = (
    ("from_state_dict", {"flat": FLAT, "like": LIKE, "library": "torch"}, "like", "flat"),
    ("to_state_dict", {"tree": LIKE, "like": FLAT, "library": "torch"}, "tree", "like"),
)
PASS = "Pass model.state_dict(), or load_state_dict(path)"
NAMES, IGNORE, ROW = (
    'Write names={"stages.0": "layer1"}',
    'Write ignore=("fc",)',
    'Write layers={"up": "conv_transpose"}',
)
MODULES = "Pass dict(model.named_modules())"

ROWS = [
    *[
        row for name, valid, tree, flat in BOTH for row in [
            *bad(
                name, "library",
                ("an unknown name", "keras", ValueError, "'keras'", '"torch", "flax" or "equinox"', 'Write library="torch"'),
                ("None", None, TypeError, "None", '"torch", "flax" or "equinox"', 'Write library="torch"'),
                **{**valid, "library": None},
            ),
            *bad(
                name, "into",
                ("PyTorch", "torch", ValueError, "'torch'", '"jaxconv", "flax" or "equinox"', 'Write into="jaxconv"'),
                **valid,
            ),
            *bad(
                name, flat,
                ("None", None, TypeError, "None", "a dict of arrays", PASS),
                ("a path", "net.npz", TypeError, "'net.npz'", "a dict of arrays", PASS),
                ("with a number as a name", {0: ones(2)}, TypeError, "a dict with the key 0", "a dict of names", PASS),
                **valid,
            ),
            *bad(
                name, flat, ("of a number", {"fc.weight": 3}, TypeError, "3", "an array", PASS),
                named=f"{flat}['fc.weight']", **valid,
            ),
            *bad(
                name, "names",
                ("text", "fc", TypeError, "'fc'", "a dict of paths", NAMES),
                ("numbers", {"head": 0}, TypeError, "a dict with 'head': 0", "a dict of paths", NAMES),
                ("misspelt", {"haed": "fc"}, ValueError, "'haed'", f"a path in {tree}", 'Perhaps you mean "head"'),
                **valid,
            ),
            *bad(
                name, "names",
                ("a misspelt path", {"head": "f"}, ValueError, "'f'", f"a path in {flat}", 'Perhaps you mean "fc"'),
                named="names['head']", **valid,
            ),
            *bad(name, "layers", ("text", "conv", TypeError, "'conv'", "a dict of paths and layers", ROW), **valid),
            *bad(
                name, "layers",
                ("an unknown layer", {"head": "linear"}, ValueError, "'linear'", '"conv", ...', "..."),
                named="layers['head']", **valid,
            ),
            *bad(
                name, "layers",
                ("an unknown path", {"up": "conv"}, ValueError, "given", "the path of a layer", "The first one is head"),
                named="layers['up']", **valid,
            ),
            *bad(
                name, "ignore",
                ("text", "fc", TypeError, "'fc'", f"a tuple of paths in {flat}", IGNORE),
                ("misspelt", ("cf",), ValueError, "'cf'", f"a path in {flat}", "The first entry is fc.weight"),
                **valid,
            ),
        ]
    ],
    *bad(
        "from_state_dict", "like",
        ("empty", {}, ValueError, "{}", "a pytree with the arrays of some layers", "Pass parameters, or ..."),
        ("None", None, ValueError, "None", "a pytree with the arrays of some layers", "Pass parameters, or ..."),
        flat=FLAT, library="torch",
    ),
    *bad(
        "to_state_dict", "tree",
        ("text", "net", ValueError, "'net'", "a pytree with the arrays of some layers", "Pass parameters, or ..."),
        like=FLAT, library="torch",
    ),
    *bad(
        "load_state_dict", "path",
        ("a number", 3, TypeError, "3", "the path of a file", 'Write load_state_dict("net.safetensors")'),
        ("of PyTorch", "net.pt", ValueError, "'net.pt'", "a .safetensors or .npz file, which hold no code",
         "Convert it: safetensors.torch.save_file(model.state_dict(), path)"),
        ("of text", "net.txt", ValueError, "'net.txt'", "a .safetensors or .npz file",
         "Convert it: safetensors.torch.save_file(model.state_dict(), path)"),
        ("nowhere", "no/net.npz", FileNotFoundError, "'no/net.npz'", "a file that exists", "Check its name"),
    ),
    *bad(
        "settings_from_modules", "library",
        ("an unknown name", "haiku", ValueError, "'haiku'", '"torch" or "equinox"', 'Write library="torch"'),
        modules={},
    ),
    *bad(
        "settings_from_modules", "modules",
        ("a list", [1], TypeError, "[1]", "a dict of names and modules", MODULES),
        library="torch",
    ),
    *bad(
        "settings_from_modules", "lengths",
        ("a tuple", (8, 8), TypeError, "(8, 8)", "a dict of names and lengths", "Write lengths={'up': (32, 48)}"),
        ("an unknown module", {"up": (8, 8)}, ValueError, "given for 'up'", "given for a module with a window", "..."),
        library="torch", modules={},
    ),
]  # fmt: skip
