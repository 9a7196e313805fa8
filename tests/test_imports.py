"""Who may import whom: scripts, competitions, the Keras part of common, the rest of it, configuration and errors."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMPETITIONS = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"common", "tests"}
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for folder in ("common", *COMPETITIONS)
    for path in (ROOT / folder).rglob("*.py")
}
FOUNDATION = {"common.config", "common.errors"}
KERAS_LINE = {f"common.{name}" for name in ("dataset", "engine", "train", "optimize", "detect", "weights", "export")}
BACKENDS = {"keras", "tensorflow", "jax", "torch", "flax"}


def is_keras_part(name: str) -> bool:
    return name in KERAS_LINE or name.startswith("common.models")


def imported_names(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in froms), f"{path}: write imports from the root, not relative ones"
    members = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    return plain | {str(node.module) for node in froms} | (members & FILES.keys())


@pytest.mark.parametrize("name", sorted(FILES))
def test_imports_follow_the_order(name):
    imports = imported_names(FILES[name])
    own = {imported for imported in imports if imported in FILES}
    if name in FOUNDATION:
        assert own <= FOUNDATION
        assert {imported.split(".")[0] for imported in imports - own} <= sys.stdlib_module_names
    if not is_keras_part(name):
        assert not {imported.split(".")[0] for imported in imports} & BACKENDS, "only the Keras part names a backend"
    if name.startswith("common.") and not is_keras_part(name):
        assert not {imported for imported in own if is_keras_part(imported)}, "the Keras part is imported from below"
    assert {imported.split(".")[0] for imported in own} <= {"common", name.split(".")[0]}, "sideways or up"
    scripts = {imported for imported in own if '__name__ == "__main__"' in FILES[imported].read_text(encoding="utf-8")}
    assert not scripts, "scripts are not imported"
