from pathlib import Path
from types import SimpleNamespace

from outpaint_lightning.experiment.folder import RunFolder, SaveConfig


def test_a_second_validate_has_a_folder_for_its_numbers(tmp_path):
    """Lightning opens the logger before the earlier files go; without a new folder `validate --overwrite` fails."""
    run = RunFolder(tmp_path, "validate", None)
    (tmp_path / "validate").mkdir()
    (tmp_path / "validate" / "old.csv").touch()
    logger = run.csv_logger(0)
    logger.experiment.log_metrics({"val/f1": 0.5}, 1)
    parser = SimpleNamespace(save=lambda config, path, **_: Path(path).write_text(config))
    state = SimpleNamespace(fn=SimpleNamespace(value="validate"))
    trainer = SimpleNamespace(loggers=[logger], state=state, default_root_dir=str(tmp_path))
    SaveConfig(parser, "model: x", replaced=run.to_replace(True)).save_config(trainer, None, "validate")
    logger.save()
    assert [path.name for path in (tmp_path / "validate").iterdir()] == ["metrics.csv"]
