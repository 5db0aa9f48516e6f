from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeconnect.errors import InputError
from edgeconnect.ingan.config import make_single_config
from edgeconnect.io.schema import read_yaml
from edgeconnect.training.config import TrainConfig, make_config, to_yaml

NEEDED = {"stage": "edge", "photos": "photos", "run": "runs/edge"}


def yaml_file(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_the_defaults_are_the_papers() -> None:
    config = make_config(NEEDED)
    sizes = (config.batch_size, config.size, config.width, config.blocks, config.disc_width)
    assert sizes == (8, 256, 64, 8, 64)
    assert config.betas == (0.0, 0.9)
    assert config.d_lr_ratio == 0.1
    assert config.sigma == 2
    assert config.loss_weights == {
        "adv": 1, "feature_matching": 10, "cross_entropy": 0, "agreement": 0, "d_adv": 1
    }  # fmt: skip
    for stage in ("inpaint", "joint"):
        weights = make_config(NEEDED | {"stage": stage}).loss_weights
        assert weights == {"l1": 1, "adv": 0.1, "perceptual": 0.1, "style": 250, "d_adv": 1}


@pytest.mark.parametrize(("stage", "rate"), [("edge", 1e-4), ("inpaint", 1e-4), ("joint", 1e-6)])
def test_the_learning_rate_is_the_papers_for_each_stage_unless_given(stage: str, rate: float) -> None:
    assert make_config(NEEDED | {"stage": stage}).learning_rate == rate
    assert make_config(NEEDED | {"stage": stage, "lr": 0.5}).learning_rate == 0.5


def test_an_unknown_option_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "stage: edge\nphotos: p\nrun: r\nlearning_rat: 1\n")
    with pytest.raises(InputError, match=r"config\.yaml: learning_rat: Extra inputs are not permitted"):
        make_config({}, path)


def test_all_faults_come_in_one_message() -> None:
    with pytest.raises(InputError) as caught:
        make_config({"stage": "colour", "photos": "p", "steps": "many", "size": 30, "lr": "nan", "widht": 8})
    message = str(caught.value)
    for part in (
        "stage: ",
        "'colour'",
        "run: expected a value, got none",
        "steps: ",
        "'many'",
        "size: ",
        "lr: ",
        "widht: ",
    ):
        assert part in message
    assert "\n" not in message


def test_faults_of_fields_that_go_together_come_in_one_message() -> None:
    with pytest.raises(InputError) as caught:
        make_config(NEEDED | {"hole_ratio": "0.5,0.2", "short_side": "100,90"})
    message = str(caught.value)
    assert "hole_ratio: expected a range low,high, got 0.5,0.2" in message
    assert "short_side: expected a range low,high, got 100,90" in message
    assert "short_side: expected at least the size 256, got 90" in message
    with pytest.raises(InputError, match=r"hole_ratio: expected ratios from 0 to 1, got 0.1,1.5"):
        make_config(NEEDED | {"hole_ratio": (0.1, 1.5)})


@pytest.mark.parametrize(
    ("text", "steps"), [("2e6", 2_000_000), ("'2e3'", 2000), ("7", 7), ("1_000", 1000), ("1.0e+2", 100)]
)
def test_steps_may_be_written_with_an_exponent(tmp_path: Path, text: str, steps: int) -> None:
    path = yaml_file(tmp_path, f"stage: edge\nphotos: p\nrun: r\nsteps: {text}\nlr: 1e-3\n")
    config = make_config({}, path)
    assert config.steps == steps and isinstance(config.steps, int)
    assert config.lr == 1e-3


@pytest.mark.parametrize("steps", ["2.5", "0", "-3", "inf", "nan", ""])
def test_steps_must_be_a_whole_number_above_zero(steps: str) -> None:
    with pytest.raises(InputError, match="steps: "):
        make_config(NEEDED | {"steps": steps})


CHANGES: dict[str, Any] = {
    "steps": 50,
    "masks": ("square", "some/folder"),
    "hole_ratio": (0.1, 0.4),
    "short_side": (300, 400),
    "edges": "predicted",
    "init_from": ("runs/a", "runs/b"),
    "edges_folder": "lines",
    "lr": 3e-5,
    "flip": False,
}


@pytest.mark.parametrize("changes", [{}, CHANGES])
def test_a_config_written_as_yaml_comes_back_equal(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = make_config(NEEDED | changes)
    text = to_yaml(config)
    assert make_config({}, yaml_file(tmp_path, text)) == config
    assert list(yaml.safe_load(text)) == list(TrainConfig.model_fields)


def test_given_options_win_over_the_file(tmp_path: Path) -> None:
    path = yaml_file(
        tmp_path, "stage: inpaint\nphotos: p\nrun: r\nsteps: 5\nbatch-size: 3\nmasks: strokes, half\n"
    )
    config = make_config({"steps": "9"}, path)
    assert (config.steps, config.batch_size, config.masks) == (9, 3, ("strokes", "half"))


def test_edges_true_in_a_file_means_true_edges(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "stage: inpaint\nphotos: p\nrun: r\nedges: true\n")
    assert make_config({}, path).edges == "true"


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "just words", "a: [1\n", "\x00"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"config\.yaml: expected"):
        read_yaml(yaml_file(tmp_path, text))
    with pytest.raises(InputError, match=r"none\.yaml"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("seed", -1), ("threads", 5000), ("save_every", 0), ("keep", 0), ("betas", "0,1"),
     ("precision", "float16"), ("max_minutes", 0), ("d_lr_ratio", 0), ("log_every", "often")],
)  # fmt: skip
def test_both_kinds_of_training_check_what_they_share_alike(field: str, value: Any) -> None:
    sentences = []
    for make, given in ((make_config, NEEDED), (make_single_config, {"photos": ["p"], "run": "r"})):
        with pytest.raises(InputError, match=field) as caught:
            make({**given, field: value})
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]


def test_a_config_cannot_be_changed() -> None:
    config = make_config(NEEDED)
    with pytest.raises(ValueError, match="frozen"):
        config.steps = 3  # type: ignore[misc]


def test_every_option_says_what_it_is() -> None:
    assert all(field.description for name, field in TrainConfig.model_fields.items() if name != "stage")


RECIPES = sorted((Path(__file__).parents[2] / "data" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_the_recipes_are_complete_but_for_what_is_the_users(recipe: Path, tmp_path: Path) -> None:
    stage = recipe.stem.split("-")[0]
    config = make_config({"stage": stage, "photos": tmp_path, "run": tmp_path / "run"}, recipe)
    assert config.hole_ratio[0] > 0
    with pytest.raises(InputError, match=r"run: .* photos: "):
        make_config({"stage": stage}, recipe)


def test_mixed_edges_need_pairs_of_photos() -> None:
    with pytest.raises(InputError, match="expected an even one with edges mixed, got 3"):
        make_config(NEEDED | {"stage": "inpaint", "edges": "mixed", "batch_size": 3})
    assert make_config(NEEDED | {"stage": "inpaint", "edges": "mixed", "batch_size": 2}).batch_size == 2


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (bomb(), r"an alias \(\*a0\)"),
        ("a: &x [*x]", "an alias"),
        ("a: " + "[" * 20_000, "recursion|expected"),
        ("a: " + "x" * 200_000, "at most 100000 bytes"),
        ("a: !!timestamp 2001-99-99", "YAML"),
        ("a: !!int " + "9" * 5000, "YAML"),
        ("a: !!python/object/apply:os.system [ls]", "YAML"),
        ("? [a]\n: b", "YAML"),
    ],
)
def test_hostile_yaml_is_a_sentence_at_once(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=rf"config\.yaml: expected (?s:.*)({reason})") as error:
        read_yaml(yaml_file(tmp_path, text))
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize("field", ["run", "photos", "device", "val_photos"])
def test_text_with_nul_is_refused_with_its_field(tmp_path: Path, field: str) -> None:
    with pytest.raises(InputError, match=rf"config\.yaml: {field}: expected text, got 'r.x00x' with NUL"):
        read_yaml(yaml_file(tmp_path, f'{field}: "r\\0x"\n'))


def test_yaml_s_numbers_are_decimal_and_its_dates_texts(tmp_path: Path) -> None:
    text = "a: 1:30\nb: 2001-01-01\nc: 2e6\nd: -12\ne: .5\nf: 0x10\ng: 010\nh: 1.5e-3\ni: true\nj: null\n"
    values = read_yaml(yaml_file(tmp_path, text))
    assert list(values.values()) == ["1:30", "2001-01-01", 2e6, -12, 0.5, "0x10", "010", 1.5e-3, True, None]


@pytest.mark.parametrize("value", [10**9, "9" * 5000, "1e400", -1, "nan", "2001-01-01"])
@pytest.mark.parametrize(
    "field",
    ["batch_size", "size", "workers", "sigma", "width", "blocks", "disc_width", "threads", "val_count"],
)
def test_sizes_that_no_machine_has_are_refused_shortly(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=field) as error:
        make_config(NEEDED | {field: value})
    assert len(str(error.value)) < 300
