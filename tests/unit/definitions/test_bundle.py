"""Apps on their way to other processes: by import path, by value, and with one id everywhere."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest

from greenroom import App, DefinitionError, DuplicateName, Workflow
from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.definitions.bundle import load_app, resolve_target, source_of
from tests.unit.definitions import test_example as example

SHOP = """
    from __future__ import annotations
    import threading
    from pydantic import BaseModel, field_validator
    from greenroom import Agent, App, StepContext, Workflow, step, tool

    LOCK = threading.Lock()  # cannot be pickled: code that is imported need not be

    class Order(BaseModel):
        item: str = "tea"
        tags: set[str] = {"a", "b", "c", "d", "e"}
        @field_validator("item")
        @classmethod
        def check(cls, item: str) -> str:
            if item in {"lead", "mercury", "arsenic", "radium", "thallium"}:
                raise ValueError("poison")
            return item

    def taste(item: str) -> bool:
        return item != "sand"

    @step
    async def pack(order: Order, ctx: StepContext) -> Order:
        with LOCK:
            return order if taste(order.item) else Order()

    @tool
    def price(item: str, ctx, currency: str = "EUR") -> int:
        '''Price of an item.'''
        return len(item)

    clerk = Agent(id="clerk", model="openai/x", tools=[price], output=Order)
    sell = Workflow("sell", input=Order).then(pack).branch((lambda order: order["item"] in {"x", "y"}, clerk))
    app = App(workflows=[sell])
    other = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for modules; the import state of this process is restored afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.py").write_text(textwrap.dedent(text), "utf-8")
    return str(folder)


def run(code: str, *, seed: str = "0", path: str | None = None) -> str:
    """Run code in a Python of its own and return what it prints."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, [path, *sys.path]))}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_id_is_the_same_in_every_process(folder: Path) -> None:
    """Hash seeds do not show in a bundle's id, nor does how the module was run."""
    path = write(folder, "shop", SHOP)
    show = "import shop; print(shop.app.plan.id)"
    ids = {run(show, seed=seed, path=path) for seed in ("0", "1", "4711")}
    assert len(ids) == 1
    assert len(ids.pop()) == 16


CHANGES = {
    "a comment": ("# cannot be pickled", "# another comment", True),
    "a helper": ('item != "sand"', 'item != "dust"', False),
    "a body": ("else Order()", "else order", False),
    "a constant set": ('{"x", "y"}', '{"x", "z"}', False),
    "a default": ('currency: str = "EUR"', 'currency: str = "CHF"', False),
    "the value of a global": ("LOCK = threading.Lock()", "LOCK = threading.RLock()", True),
    "an id": ('id="clerk"', 'id="seller"', False),
    "a validator": ('ValueError("poison")', 'ValueError("bad")', False),
}


def test_the_id_follows_the_code_and_not_its_comments(folder: Path) -> None:
    """A changed body, constant, default, validator or helper is a new bundle; a comment is not."""
    for number, (old, new, _) in enumerate(CHANGES.values()):
        assert old in SHOP
        write(folder, f"shop_{number}", SHOP.replace(old, new))
    path = write(folder, "shop", SHOP)
    names = ["shop", *(f"shop_{number}" for number in range(len(CHANGES)))]
    before, *after = run(
        f"import importlib; print(*(importlib.import_module(name).app.plan.id for name in {names}))", path=path
    ).split()
    same = {what: id == before for what, id in zip(CHANGES, after, strict=True)}
    assert same == {what: is_same for what, (_, _, is_same) in CHANGES.items()}


def test_a_target_is_imported_from_its_folders(folder: Path) -> None:
    """`module:attribute`; the attribute is `app` if it is left out."""
    source = BundleSource(target="shop:app", search_path=(write(folder, "shop", SHOP),))
    app = load_app(source)
    assert list(app.plan.workflows) == ["sell"]
    assert resolve_target("shop") is app


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere:app", r"no module 'nowhere' \(of 'nowhere:app'\)"),
        ("shop.inner:app", r"no module 'shop.inner'|'shop' is not a package"),
        ("shop:ghost", r"Module 'shop' has no 'ghost'. Apps in this module: app"),
        ("shop:other", r"'shop:other' is a int, not an App. Apps in this module: app"),
        ("raises:app", r"Importing 'raises' failed: ValueError: boom \(.*raises.py, line 4\)"),
        ("typo:app", r"Importing 'typo' failed: SyntaxError: .*typo.py, line 2"),
        (
            "needs:app",
            r"Importing 'needs' failed: ModuleNotFoundError: No module named 'absent' \(.*needs.py, line 2\)",
        ),
        ("leaves:app", r"Importing 'leaves' failed: SystemExit: 3 \(.*leaves.py, line 3\)"),
        ("not a target", r"write 'module:attribute'"),
        (":app", r"write 'module:attribute'"),
    ],
)
def test_a_target_that_cannot_be_loaded_says_why_and_where(folder: Path, target: str, message: str) -> None:
    """With file and line of the user's error, and without a dump of frames."""
    write(folder, "shop", SHOP)
    write(folder, "raises", "\n\ndef fail():\n    raise ValueError('boom')\nfail()\n")
    write(folder, "typo", "\nx = = 3\n")
    write(folder, "needs", "\nimport absent\n")
    write(folder, "leaves", "\nimport sys\nsys.exit(3)\n")
    with pytest.raises(DefinitionError, match=message) as caught:
        load_app(BundleSource(target=target, search_path=(str(folder),)))
    assert "Traceback" not in caught.value.message
    assert caught.value.__cause__ is None


def test_a_wrong_definition_in_a_module_keeps_its_class_and_names_the_line(folder: Path) -> None:
    """Where the app is built is where the user looks."""
    text = """
        from greenroom import App, Workflow
        def f(value): return value
        app = App(workflows=[
            Workflow("w").parallel(f, f)])
    """
    write(folder, "wrong", text)
    with pytest.raises(DuplicateName, match=r"two members have the id 'f'.*wrong.py, line [45]\)") as caught:
        resolve_target("wrong:app", [str(folder)])
    assert caught.value.facts["file"].endswith("wrong.py")


def test_an_app_with_a_target_is_not_pickled(folder: Path) -> None:
    """The production form sends a name and the folder it is found in."""
    app = resolve_target("shop:app", [write(folder, "shop", SHOP)])
    assert source_of(app, "shop:app") == BundleSource(target="shop:app", search_path=(str(folder),))


def test_a_project_that_holds_its_own_environment_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.venv` in the project's folder does not make the project a part of the installation."""
    app = resolve_target("shop:app", [write(folder, "shop", SHOP)])
    monkeypatch.setattr(sys, "prefix", str(folder / ".venv"))
    assert source_of(app, "shop:app").search_path == (str(folder),)


def test_an_app_of_importable_modules_travels_by_reference(folder: Path) -> None:
    """What the modules hold besides, such as locks, is not pickled."""
    app = resolve_target("shop:app", [write(folder, "shop", SHOP)])
    source = source_of(app)
    assert source.search_path == (str(folder),)
    loaded = load_app(source)
    assert loaded.plan == app.plan
    assert loaded.code["sell/pack"].function is app.code["sell/pack"].function


def test_an_app_of_the_main_module_travels_by_value(folder: Path) -> None:
    """A notebook's definitions run elsewhere: functions, models with validators, annotations that are text."""
    text = SHOP.replace("with LOCK:", "if True:").replace("LOCK = threading.Lock()", "LOCK = None")
    code = """
        import sys
        from greenroom.runtime.definitions.bundle import source_of
        source = source_of(app)
        assert source.target is None
        sys.stdout.write(app.plan.id + " " + source.pickled.hex())
    """
    id, data = run(textwrap.dedent(text) + textwrap.dedent(code)).split()
    (folder / "app.pickle").write_bytes(bytes.fromhex(data))
    check = f"""
        import asyncio
        from pathlib import Path
        from greenroom.runtime.contracts.plan import BundleSource
        from greenroom.runtime.definitions.bundle import load_app
        from greenroom.runtime.definitions.invoke import bind, dump_result
        app = load_app(BundleSource(pickled=Path({str(folder / "app.pickle")!r}).read_bytes()))
        body = app.code["sell/pack"]
        arguments, keywords = bind(body, {{"item": "sand"}}, None)
        print(app.plan.id, dump_result(body, asyncio.run(body.function(*arguments, **keywords)))["item"])
        print(bind(app.code["tool/price"], {{"item": "x"}})[1], sorted(app.code))
    """
    shown = run(check).splitlines()
    assert shown[0] == f"{id} tea"
    assert shown[1].startswith("{'item': 'x', 'currency': 'EUR', 'ctx': None}")


def test_modules_that_others_cannot_import_travel_by_value(folder: Path) -> None:
    """A module that was loaded from a file, outside the path, goes along; the registration is taken back."""
    write(folder, "loose", SHOP.replace("with LOCK:", "if True:").replace("LOCK = threading.Lock()", "LOCK = None"))
    code = f"""
        import importlib.util, sys
        from greenroom.runtime.definitions.bundle import source_of
        import cloudpickle
        spec = importlib.util.spec_from_file_location("loose", {str(folder / "loose.py")!r})
        module = importlib.util.module_from_spec(spec)
        sys.modules["loose"] = module
        spec.loader.exec_module(module)
        source = source_of(module.app)
        assert not cloudpickle.list_registry_pickle_by_value()
        sys.stdout.write(module.app.plan.id + " " + source.pickled.hex())
    """
    id, data = run(code).split()
    (folder / "app.pickle").write_bytes(bytes.fromhex(data))
    check = f"""
        from pathlib import Path
        from greenroom.runtime.contracts.plan import BundleSource
        from greenroom.runtime.definitions.bundle import load_app
        app = load_app(BundleSource(pickled=Path({str(folder / "app.pickle")!r}).read_bytes()))
        print(app.plan.id, len(app.code))
    """
    assert run(check) == f"{id} 5"


def test_what_cannot_be_pickled_is_told_with_the_remedy() -> None:
    """An open lock in a closure is named before it reaches the cluster."""
    import threading

    lock = threading.Lock()
    app = App(workflows=[Workflow("w").then(lambda value: (value, lock))])
    with pytest.raises(DefinitionError, match=r"cannot be sent by value.*lock"):
        source_of(app)


def test_a_pickle_of_something_else_is_refused() -> None:
    """Also bytes that are no pickle, and a source of nothing."""
    with pytest.raises(DefinitionError, match="is a int, not an App"):
        load_app(BundleSource(pickled=cloudpickle.dumps(3)))
    with pytest.raises(DefinitionError, match="cannot be unpickled"):
        load_app(BundleSource(pickled=b"no pickle"))
    with pytest.raises(DefinitionError, match="neither"):
        load_app(BundleSource())


def test_an_app_that_was_pickled_keeps_its_plan() -> None:
    """Its code table is made again and has the plan's keys."""
    loaded: App = cloudpickle.loads(cloudpickle.dumps(example.app))
    assert loaded.plan == example.app.plan
    assert list(loaded.code) == list(example.app.code)
