"""BUILD has every source file, and each rule's deps are what its files import."""

import ast
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
RULES = ("py_library", "py_binary", "py_test", "cc_library", "cc_binary")

# Packages that are not called as they are imported.
PACKAGES = {"absl": "absl_py", "sklearn": "scikit_learn", "PIL": "pillow"}


def sources():
    """Every source file that has to be in a rule."""
    files = (
        path.relative_to(ROOT).as_posix()
        for folder in ("tfdgan", "examples", "tools", "tests")
        for ending in ("py", "cc", "h")
        for path in (ROOT / folder).rglob(f"*.{ending}")
    )
    return sorted(name for name in files if "__pycache__" not in name)


def globbed(rule):
    """The files of a rule's `data`, which are all patterns."""
    return {path.relative_to(ROOT).as_posix() for pattern in rule.get("data", []) for path in ROOT.glob(pattern)}


def strings(node):
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def rules():
    """{name: {attribute: list of strings, "kind": kind}}; BUILD is Python as far as the parser goes."""
    found = {}
    for statement in ast.parse((ROOT / "BUILD").read_text()).body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and call.func.id in RULES:
            rule = {keyword.arg: strings(keyword.value) for keyword in call.keywords}
            (name,) = rule["name"]
            assert name not in found, f"BUILD: two rules are called {name}"
            found[name] = {"srcs": [], "hdrs": [], "deps": [], **rule, "kind": call.func.id}
    return found


def owners(rules):
    """{source file: the library or command that has it}."""
    return {source: name for name, rule in rules.items() if rule["kind"] != "py_test" for source in rule["srcs"]}


def nodes(tree):
    """Every node that runs: what is imported for the checker of types alone does not."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from nodes(node)


def imports(path):
    """Names of modules and of what is taken from them, as `import` statements have them, also those in functions."""
    for node in nodes(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def label(name, library_of):
    """The label for an imported name, or None for the standard library."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        # Tests and experiments import each other without the folder's name, as pytest and Python run them.
        for folder in ("", "tests/", "tools/", "tools/experiments/"):
            base = folder + "/".join(parts[:end])
            for file in (f"{base}.py", f"{base}/__init__.py"):
                if (ROOT / file).is_file():
                    return f":{library_of.get(file, f'no rule has {file}')}"
    top = parts[0]
    return None if top in sys.stdlib_module_names else f"@pip//{PACKAGES.get(top, top)}"


def wanted(name, rule, library_of):
    """The deps that a rule's files ask for."""
    deps = {label(module, library_of) for source in rule["srcs"] for module in imports(source)}
    if any(source.startswith("tfdgan/") for source in rule["srcs"]):
        deps.add(f":{library_of['tfdgan/__init__.py']}")
    if rule["kind"] == "py_test":
        deps.add(f":{library_of['tests/conftest.py']}")
    return sorted(deps - {None, f":{name}"})


def test_every_source_file_is_in_a_rule():
    listed = {source for rule in rules().values() for source in (*rule["srcs"], *rule["hdrs"], *globbed(rule))}
    assert [source for source in sources() if source not in listed] == []


def test_every_file_of_a_rule_exists():
    listed = [source for rule in rules().values() for source in (*rule["srcs"], *rule["hdrs"])]
    missing = [source for source in listed if not (ROOT / source).is_file()]
    assert missing == []


def test_no_file_is_in_two_rules():
    files = [source for rule in rules().values() if rule["kind"] != "py_test" for source in rule["srcs"]]
    assert sorted(files) == sorted(set(files))


def test_every_test_file_has_a_test_that_runs_it():
    tests = {name: rule for name, rule in rules().items() if rule["kind"] == "py_test"}
    assert sorted(tests) == sorted(path.stem for path in (ROOT / "tests").glob("test_*.py"))
    for name, rule in tests.items():
        assert rule["srcs"] == ["tests/run_pytest.py", f"tests/{name}.py"]
        assert (rule["main"], rule["args"]) == (["tests/run_pytest.py"], [f"tests/{name}.py"])


@pytest.mark.parametrize("name", ["train", "evaluate", "generate", "export", "report"])
def test_every_command_has_a_binary(name):
    assert rules()[name]["kind"] == "py_binary" and rules()[name]["main"] == [f"tfdgan/{name}.py"]


def test_the_transport_is_whole():
    every, folder = rules(), "tfdgan/gossip/native/transport/"
    listed = [*every["transport"]["srcs"], *every["transport"]["hdrs"]]
    assert sorted(listed) == [source for source in sources() if source.startswith(folder)]


@pytest.mark.parametrize("name", [name for name, rule in rules().items() if rule["kind"].startswith("py_")])
def test_deps_are_the_imports(name):
    every = rules()
    assert every[name]["deps"] == wanted(name, every[name], owners(every))


def test_deps_go_one_way():
    deps = {name: [dep[1:] for dep in rule["deps"] if dep[0] == ":"] for name, rule in rules().items()}
    order = []
    while ready := [name for name in deps if name not in order and set(deps[name]) <= set(order)]:
        order += ready
    assert [name for name in deps if name not in order] == []  # these are in a circle, or behind one
