"""Every code block of the README and the docs runs.

In a page's order, in a folder with clips of its own: `bash` blocks are commands: `make` targets must exist,
`outpaint-lightning` lines run in-process; training is cut short by options added here. `python` blocks run. `console`
blocks are records of runs whose data is not in the repository; their commands must exist.
"""

import re
import shlex
import shutil

import pytest
from support import REPOSITORY, SCRATCH, texture

from outpaint_lightning.cli import COMMANDS, main
from outpaint_lightning.io import VideoWriter, write_image

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHORT = {
    "fit": [
        *("--data.workers=0", "--data.batch_size=2", "--data.crop=[128,128]", "--model.net.updates=1"),
        *("--trainer.max_epochs=2", "--trainer.limit_train_batches=1"),
    ],
    "test": ["--data.workers=0"],
    "predict": ["--data.workers=0"],
    "forge": ["--workers=1"],
}
REGIONS = [f"--config={SCRATCH}", "--data.workers=0", "--data.size=[64,64]"]
SHORT_REGIONS = {
    "fit": [*REGIONS, "--data.batch_size=2", "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"],
    "test": REGIONS,
    "predict": REGIONS,
}

REFINER = [
    *("--data.workers=0", "--data.size=[40,48]", "--data.frames=4", "--data.scenes=2", "--data.batch_size=2"),
    *("--data.val_scenes=1", "--data.test_scenes=2"),
]
SHORT_REFINER = {
    "fit": [*REFINER, "--model.net.channels=4", "--trainer.max_epochs=1"],
    "test": REFINER,
    "predict": REFINER,
}
SHORTER = {"configs/regions/": SHORT_REGIONS, "configs/refiner/": SHORT_REFINER}


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


def run(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), command
    elif words[0] == "outpaint-lightning":
        short = next((options for config, options in SHORTER.items() if config in command), SHORT)
        assert main([*words[1:], *short.get(words[1], [])]) == 0, command
    else:
        pytest.fail(f"a block of the docs runs neither make nor outpaint-lightning: {command}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_blocks_run(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    for left in ("data", "runs", "found", "rendered"):
        shutil.rmtree(left, ignore_errors=True)
    blocks = BLOCK.findall(page.read_text())
    assert all(language or "\n" in text for language, text in blocks)
    if page.name in ("dataset.md", "commands.md", "auditing-data.md", "protocols.md"):
        run("outpaint-lightning forge clips data/forged --per-clip 1")
    names = {"image": __import__("torch").rand(1, 2, 3, 128, 136)}
    for language, text in blocks:
        if language == "bash":
            for line in text.strip().splitlines():
                run(line.partition(" # ")[0])
        elif language == "python":
            exec(compile(text, str(page), "exec"), names)
        elif language == "console":
            for command in re.findall(r"^\$ outpaint-lightning (\w+)", text, re.MULTILINE):
                assert command in COMMANDS, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{page}: {target}"
