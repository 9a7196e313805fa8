"""Who may import whom: one table for the rooms of `common/`, and scripts above competitions above `common/`."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"common", "tests"}
# What works with every competition, and what it may import besides `common/`.
ABOVE = {
    "competitions": {"coco", "dsb", "isic", "lung", "rsna", "wbc"},
    "inspection": {"competitions"},
    "viewer": {"competitions", "dsb", "rsna"},
}
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for folder in ("common", *PACKAGES)
    for path in (ROOT / folder).rglob("*.py")
}
GROUND = {"errors", "storage", "parallel", "log", "terminal"}
SETTINGS = {"settings", "errors"}
BELOW_NETWORK = {"batches", "runs", "prediction", "images", "masks", *SETTINGS, *GROUND}
# What each room, or file beside the rooms, may import of `common/`.
ALLOWED = {
    "log": set(),
    "terminal": set(),
    "errors": {"log", "terminal"},
    "settings": {"errors"},
    "storage": {"errors"},
    "parallel": {"errors", "log"},
    "annotations": {"log"},
    "flags": SETTINGS,
    "masks": {"errors"},
    "images": {"masks", *GROUND},
    "batches": {"images", "masks", *SETTINGS},
    "runs": {"storage", "terminal", *SETTINGS},
    "prediction": {"images", "masks", *SETTINGS},
    "network": BELOW_NETWORK,
    "output": {"prediction", "images", "masks", "settings", *GROUND},
    "scoring": {"output", "images", "masks", "errors"},
    "drawing": {"scoring", "images", "masks", "log"},
    "figures": {"drawing", "scoring", "prediction", "runs", "images", "masks", "storage", "errors"},
    "cli": {"flags", "cluster", "images", "storage", "runs", *SETTINGS},
    "outputs": {"cli", "flags", "errors"},
    "predictor": {"network", *BELOW_NETWORK},
    "inspector": {"predictor", "network", *BELOW_NETWORK},
    "cluster": {"output", "images", *GROUND},
    "engine": {"predictor", "drawing", "network", "output", "cluster", *BELOW_NETWORK},
}
BACKENDS = {"keras", "tensorflow", "jax", "torch", "flax"}
MOST_FILES = 12  # of a room


def imported_names(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in froms), f"{path}: write imports from the root, not relative ones"
    members = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    return plain | {str(node.module) for node in froms} | (members & FILES.keys())


def room_of(name: str) -> str:
    """Return the room of a file of `common/`, or the file's own name where it lies beside the rooms."""
    return [*name.split("."), ""][1]


@pytest.mark.parametrize("name", sorted(FILES))
def test_imports_follow_the_table(name):
    imports = imported_names(FILES[name])
    own = {imported for imported in imports if imported in FILES}
    others = {room_of(imported) for imported in own if imported.startswith("common.")} - {room_of(name)}
    if name.startswith("common.") and name != "common.__init__":
        assert others <= ALLOWED[room_of(name)], "an import that the table does not allow"
    if not name.startswith("common.network"):
        assert not {imported.split(".")[0] for imported in imports} & BACKENDS, "only common/network names a backend"
    package = name.split(".")[0]
    assert {imported.split(".")[0] for imported in own} <= {"common", package, *ABOVE.get(package, ())}, (
        "sideways or up"
    )
    scripts = {imported for imported in own if '__name__ == "__main__"' in FILES[imported].read_text(encoding="utf-8")}
    assert not scripts, "scripts are not imported"


def test_the_ground_needs_the_standard_library_alone():
    for name in ("common.errors", "common.settings.options", "common.settings.config"):
        others = {imported.split(".")[0] for imported in imported_names(FILES[name])} - {"common"}
        assert others <= sys.stdlib_module_names


def test_the_table_has_no_circles():
    left = dict(ALLOWED)
    while left:
        free = {room for room, needs in left.items() if not needs & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        for room in free:
            del left[room]


@pytest.mark.parametrize("room", sorted({path.parent for path in (ROOT / "common").rglob("*.py")}), ids=str)
def test_rooms_are_small_and_say_what_belongs_there(room):
    assert len(list(room.glob("*.py"))) - 1 <= MOST_FILES
    text = (room / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(ast.parse(text).body) == 1, "no re-exports"


# Modules whose tests stand with those of another one.
TESTED_ELSEWHERE = {
    "common.images.synthetic_layout": "synthetic",
    "common.images.synthetic_render": "synthetic",
    "common.prediction.steps": "network/inspection/test_steps",
    "common.network.export": "the exports of both networks",
    "common.network.loss_model": "mask_rcnn/test_losses, and the models of both networks",
    "common.network.training.leaks": "training/test_fit",
    "common.network.training.watch": "training/test_fit, test_record and test_engine",
    "common.network.mask_rcnn.heads": "model, and the layers' names and shapes in test_weights",
    "common.network.mask_rcnn.pyramid": "model, and the layers' names and shapes in test_weights",
    "common.network.network": "test_engine",
    "common.network.resnet": "the layers' names and shapes in test_weights",
    "common.network.tensor": "a type for annotations",
    "common.settings.recipe": "the presets of every competition",
    "common.runs.trained": "test_predictor",
    "common.settings.options": "test_config",
    "common.runs.weights_file": "network/test_weights and test_library_weights, which write such files",
}


def test_every_module_of_common_has_its_test_file():
    modules = {name for name in FILES if name.startswith("common.") and not name.endswith("__init__")}
    for name in modules - TESTED_ELSEWHERE.keys():
        *rooms, module = name.split(".")[1:]
        assert ROOT.joinpath("tests", *rooms, f"test_{module}.py").is_file(), name
    assert modules >= TESTED_ELSEWHERE.keys()
