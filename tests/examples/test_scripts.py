"""What all scripts have in common: they explain themselves, and say what is wrong with their arguments in one line."""

import doctest
from argparse import Namespace
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from support.example_scripts import EXAMPLES, module, run

import jaxconv as jc
from jaxconv.training.data import Digits

OTHERS = {
    "contact_sheet",
    "figures",
    "shared",
    "train_lenet",
    "train_resnet",
    "train_unet",
    "train_wavenet",
}  # all figures together, what scripts share, and those without pictures
SCRIPTS = sorted({path.stem for path in EXAMPLES.glob("*.py")} - OTHERS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_shows_what_it_is_for(name, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        run(name, tmp_path, "--help")
    assert capsys.readouterr().out == ""  # the script's own output is caught
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_docstring_gives_its_command(name):
    text = (EXAMPLES / f"{name}.py").read_text()
    assert f"\n    python examples/{name}.py" in text.split('"""')[1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_unknown_arguments_are_refused(name, tmp_path):
    with pytest.raises(SystemExit, match=r"^2$"):
        run(name, tmp_path, "--no-such-option")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_folder_that_cannot_be_written_is_named_before_the_work(name, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"^error: --out is .*file/pictures, but should be a folder to write into"):
        run(name, tmp_path / "file" / "pictures")


@pytest.mark.parametrize("name", [name for name in SCRIPTS if "--seed" in (EXAMPLES / f"{name}.py").read_text()])
def test_a_negative_seed_is_refused_before_the_work(name, tmp_path):
    with pytest.raises(SystemExit, match=r"^2$"):
        run(name, tmp_path, "--seed", -1)


@pytest.mark.parametrize(("name", "examples"), [("shared", 4), ("show_aligned_parts", 2)])
def test_the_examples_of_docstrings_run(name, examples):
    found = doctest.testmod(module(name))
    assert found.attempted == examples
    assert found.failed == 0


def test_training_many_is_training_each():
    """Different examples and seeds, in one program and one by one."""
    shared, draw = module("shared"), np.random.default_rng(0)
    sets = [(np.float32(draw.normal(size=(n, 3, 3, 1))), np.int32(draw.integers(0, 2, n))) for n in (6, 9)]
    init = lambda key: jc.init_dense(key, 9, 2)
    model = lambda params, x: jc.dense(params, x.reshape(len(x), -1))
    optimiser, how = optax.sgd(0.5), {"steps": 5, "batch": 4, "name": "many"}
    found = shared.train_each(init, model, sets, [3, 8], optimiser, **how)
    assert len(found) == 2
    for params, examples, seed in zip(found, sets, [3, 8], strict=True):
        alone = shared.train(
            model, init(jax.random.key(seed)), Digits(*examples, *examples), optimiser, seed=seed, **how
        )
        np.testing.assert_allclose(params["kernel"], alone["kernel"], atol=1e-6)
        np.testing.assert_allclose(params["bias"], alone["bias"], atol=1e-6)


@pytest.mark.parametrize(("arguments", "steps"), [((), 300), (("--quick",), 5), (("--quick", "--steps", "7"), 7)])
def test_a_first_look_takes_fewer_steps_unless_they_are_given(arguments, steps, monkeypatch):
    shared, seen = module("shared"), []
    parser = shared.options("a script")
    parser.add_argument("--steps", type=int, default=300)
    monkeypatch.setattr("sys.argv", ["script.py", *arguments])
    shared.start(seen.append, parser, quick={"steps": 5})
    assert seen[0].steps == steps


def test_an_interrupted_script_says_so_in_one_line_and_keeps_its_figures(tmp_path, monkeypatch, capsys):
    shared, figures = module("shared"), module("figures")
    monkeypatch.setattr("sys.argv", ["script.py", "--out", str(tmp_path)])

    def run(args):
        figures.save(figures.new(2, 2, "one"), args.out, "one.png")
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match=r"^130$"):
        shared.start(run, shared.picture_options("a script"))
    assert (tmp_path / "one.png").exists()
    assert capsys.readouterr().err == f"\ninterrupted; figures that are finished are in {tmp_path}\n"


def test_the_contact_sheet_shows_every_figure(tmp_path, monkeypatch):
    """Drawn by the scripts, which are not run here, and not itself."""
    monkeypatch.syspath_prepend(EXAMPLES)
    sheet, figures = module("contact_sheet"), module("figures")
    commands = []

    def called(command, **_):
        commands.append(command)
        figures.save(figures.new(2, 2, "one"), tmp_path, f"{Path(command[1]).stem}.png")

    monkeypatch.setattr(sheet.subprocess, "run", called)
    for _ in range(2):
        sheet.run(Namespace(out=tmp_path, quick=True))
    titles = [plot.get_title() for plot in sheet.draw(sorted(tmp_path.glob("*.png"))).axes]
    assert {path.stem for path in EXAMPLES.glob("show_*.py")} <= {*titles}
    assert len(sheet.SCRIPTS) == len(commands) / 2
    assert sum("--quick" in command for command in commands) / 2 == 6
