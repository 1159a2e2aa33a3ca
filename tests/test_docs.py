"""Every code block of the README and the docs runs, and every link leads somewhere.

In a page's order, in a folder with clips of its own. `bash` blocks are commands: `make` targets must exist, lines of
`outpaint-lightning` run in-process, cut short by options added here. `python` blocks run. A block that begins with the
name of a file (`# my_net.py`) is saved under it. `console` blocks are records of runs whose data is elsewhere, or lines
of other programs; commands of ours in them must exist.

The pages "Add a ..." run in a folder of their own, where a stranger would begin: it holds the shipped configs and, but
for the page that makes one, the small dataset of "Add a net".
"""

import re
import shlex
import shutil

import pytest
from support import REPOSITORY, SCRATCH, texture

from outpaint_lightning.cli import COMMANDS, main
from outpaint_lightning.io import VideoWriter, write_image

DOCS = REPOSITORY / "docs"
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.(?:py|yaml))\n")
FORGE_FIRST = ("dataset.md", "commands.md", "audit-data.md", "protocols.md")  # they read a dataset that others made

TINY = ("--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1")
LOCALIZER = {
    "fit": (
        *("--data.workers=0", "--data.batch_size=2", "--data.crop=[128,128]", "--model.net.updates=1"),
        *("--trainer.max_epochs=2", TINY[1]),  # 2: small.yaml validates after every second
    ),
    "test": ("--data.workers=0",),
    "predict": ("--data.workers=0",),
    "forge": ("--workers=1",),
}
REGIONS = (f"--config={SCRATCH}", "--data.workers=0", "--data.size=[64,64]")
REFINER = (
    *("--data.workers=0", "--data.size=[40,48]", "--data.frames=4", "--data.scenes=2", "--data.batch_size=2"),
    *("--data.val_scenes=1", "--data.test_scenes=2"),
)
GENERATOR = (
    *("--data.clips=4", "--data.val_clips=2", "--data.frames=3", "--model.net.frames=3", "--model.net.width=4"),
    TINY[0],
)
BLENDING = (
    *("--data.photos=4", "--data.val_photos=2", "--data.batch_size=2", "--model.net.widths=[4,4,8,8]"),
    *("--model.net.content=4", "--model.critic.width=2", TINY[0]),
)
SHORTER = {  # what is added to a command, by the first of these that it holds
    "--recipe outpainting": {"forge": ("--workers=1", "--per-clip=1")},
    "--data.corruptions": {"test": ("--data.workers=0", "--data.test_every=4")},
    "--model.net my_net": {"fit": ("--data.workers=0", "--data.batch_size=2", *TINY)},
    "configs/regions/": {"fit": (*REGIONS, "--data.batch_size=2", *TINY[:2]), "test": REGIONS, "predict": REGIONS},
    "configs/refiner/": {"fit": (*REFINER, "--model.net.channels=4", TINY[0]), "test": REFINER, "predict": REFINER},
    "configs/flow/": {"fit": (*REFINER, "--model.net.frames=4", "--model.net.trunk.init_args.width=8", *TINY)},
    "configs/generators/wrib": {"fit": BLENDING},
    "configs/generators/": {"fit": GENERATOR},
    "--config my_": {"fit": TINY},
    "": LOCALIZER,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips of panning textures, photos, a video, and the repository's configs, as the pages assume them."""
    folder = tmp_path_factory.mktemp("docs")
    for name, seed in (("pan", 1), ("tilt", 2), ("walk", 3)):
        for t in range(4):
            write_image(folder / "clips" / name / f"{t:05d}.png", texture(seed, 128, 144)[:, 2 * t : 2 * t + 136])
    for number in range(6):
        write_image(folder / "photos" / f"{number}.jpg", texture(number, 96, 128))
    write_image(folder / "suspect.jpg", texture(7, 96, 128))
    with VideoWriter(folder / "suspect.mp4", 128, 136, 25) as writer:
        for t in range(4):
            writer.write(texture(4, 128, 144)[:, 2 * t : 2 * t + 136])
    (folder / "configs").symlink_to(REPOSITORY / "configs")
    return folder


@pytest.fixture(scope="module")
def small_dataset(tmp_path_factory):
    """The clips and the dataset that the page "Add a net" makes."""
    folder = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        run_blocks(BLOCK.findall((DOCS / "how-to" / "add-a-net.md").read_text().split("\n## The net")[0]))
    return folder


def run(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), command
    elif words[0] == "outpaint-lightning":
        short = next(options for part, options in SHORTER.items() if part in command)
        assert main([*words[1:], *short.get(words[1], [])]) == 0, command
    else:
        pytest.fail(f"a block of the docs runs neither make nor outpaint-lightning: {command}")


def run_blocks(blocks: list[tuple[str, str]]) -> None:
    """Run the blocks of a page in the working directory."""
    names = {"image": __import__("torch").rand(1, 2, 3, 128, 136)}
    for language, text in blocks:
        if file := FILE.match(text):
            with open(file[1], "w") as written:
                written.write(text.removeprefix(file[0]))
        elif language == "bash":
            for line in text.strip().splitlines():
                run(line.partition(" # ")[0])
        elif language == "python":
            exec(compile(text, "a block of python", "exec"), names)
        elif language == "console":
            for command in re.findall(r"^\$ outpaint-lightning (\w+)", text, re.MULTILINE):
                assert command in COMMANDS, command
        else:
            assert language, f"a block without a language: {text}"


def named(page):
    return page.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[] if page.name == "README.md" else pytest.mark.slow)
        for page in PAGES
        if not page.name.startswith("add-a")
    ],
    ids=named,
)
def test_blocks_run(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    for left in ("data", "runs", "found", "rendered"):
        shutil.rmtree(left, ignore_errors=True)
    if page.name in FORGE_FIRST:
        run("outpaint-lightning forge clips data/forged --per-clip 1")
    run_blocks(BLOCK.findall(page.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted((DOCS / "how-to").glob("add-a*.md")), ids=named)
def test_adding_runs_from_an_empty_folder(page, small_dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("OUTPAINT_LIGHTNING_TRUST", "")  # what `--trust` adds is forgotten afterwards
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    if page.name != "add-a-net.md":
        shutil.copytree(small_dataset, tmp_path, dirs_exist_ok=True)
    run_blocks(BLOCK.findall(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{page}: {target}"


def test_files_named_in_code_exist():
    """Docstrings, messages and comments of configs send the reader to pages: none to one that has moved."""
    folders = (REPOSITORY / name for name in ("outpaint_lightning", "benchmarks", "configs", "sweeps", "docs", "tests"))
    for path in (path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".yaml", ".sh")):
        for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|py|sh)\b", path.read_text()):
            assert (REPOSITORY / name).exists(), f"{path}: {name}"


def test_readme_counts_what_there_is():
    from outpaint_lightning.forge import chains
    from outpaint_lightning.forge.fills import Fill
    from outpaint_lightning.forge.masks import MaskSampler
    from outpaint_lightning.forge.seams import Seam

    own = [[part for part in kind.known().values() if part.__module__.startswith("outpaint_lightning.")]
           for kind in (MaskSampler, Fill, Seam, chains.Chain)]  # fmt: skip
    encoders = {part.codec.encoder for part in own[3] if part.suffix == ".mp4"}
    masks, fills, seams, codecs = (len(parts) for parts in [*own[:3], encoders])
    counted = f"{masks} kinds of regions, {fills} fills, {seams} seams, {codecs} video codecs"
    assert counted in (REPOSITORY / "README.md").read_text()


def test_architecture_is_that_of_the_package():
    from test_imports import LAYERS

    from outpaint_lightning import types

    page = (DOCS / "explanation" / "architecture.md").read_text()
    named = re.findall(r"^\| (`.*?`) \|", page.split("## The rooms")[1].split("## The batch")[0], re.MULTILINE)
    order = [name.removesuffix(".py") for cell in named for name in re.findall(r"`([\w.]+?)/?`", cell)]
    rank = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    assert sorted(order) == sorted(set(rank) - {"__main__"})
    assert [rank[name] for name in order] == sorted(rank[name] for name in order)
    for row in re.findall(r"^\|.*\|$", types.__doc__, re.MULTILINE):
        assert row in page
