"""Run and sweep folders written by hand, for the tests that read them."""

import json

import yaml

VIDEOS = ("car", "dog", "sea")


def write_run(folder, f1=(0.4, 0.5, 0.6), *, seed=0, gamma=0.8, tested=True, sources=VIDEOS):
    """A run of the localizer as its callbacks leave it: three forged videos, one authentic."""
    folder.mkdir(parents=True)
    augmentations = [{"class_path": "kornia.augmentation.RandomHorizontalFlip", "init_args": {"p": 0.5}}]
    criterion = {"class_path": "outpaint_lightning.losses.SequenceCrossEntropy", "init_args": {"gamma": gamma}}
    config = {
        "seed_everything": seed,
        "trainer": {"default_root_dir": str(folder), "max_epochs": 2},
        "model": {
            "class_path": "outpaint_lightning.tasks.LocalizationTask",
            "init_args": {"criterion": criterion, "threshold": 0.5},
        },
        "data": {
            "class_path": "outpaint_lightning.data.ClipDataModule",
            "init_args": {"root": "data", "seed": seed, "augmentations": augmentations},
        },
    }
    (folder / "config.fit.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.csv").write_text(
        f"epoch,step,train/loss,val/f1\n0,9,0.7,\n0,10,,{f1[0]}\n1,19,0.5,\n1,20,,{f1[1]}\n"
    )
    if tested:
        (folder / "test").mkdir()
        mean = sum(f1) / 3
        summary = {
            "f1": {
                "mean": mean,
                "variance": 0.01,
                "worst": min(f1),
                "interval": {"low": mean - 0.1, "high": mean + 0.1},
            },
            "iou": {"mean": mean / 2},
            "by_category": {"indoor/move": {"f1": mean, "videos": 3}},
            "floors": {"all_forged": 0.3, "border": 0.2},
            "authentic": {"pixel_fpr": 0.01, "videos": 1},
            "curve": {"thresholds": [0.25, 0.5, 0.75], "f1": [mean - 0.1, mean, mean - 0.2]},
            "checkpoint": str(folder / "checkpoints" / "best.ckpt"),
        }
        (folder / "test" / "summary.json").write_text(json.dumps(summary))
        rows = [f"{v},indoor,move,{s},box,{x},0.3,0.2" for v, s, x in zip(VIDEOS, sources, f1, strict=True)]
        head = "clip,scene,camera,source,forger,f1,floor_all_forged,floor_border"
        (folder / "test" / "per_video.csv").write_text("\n".join([head, *rows, "car_0,indoor,move,car,,,,"]) + "\n")
    return folder


def write_sweep(folder):
    """Six trials: two keys, of which the second belongs to one choice of the first; one pruned, one failed."""
    folder.mkdir(parents=True)
    record = {"name": "gammas", "metrics": ["val/f1"], "directions": ["maximize"], "space": ["model.a", "model.b"]}
    (folder / "sweep.json").write_text(json.dumps(record))
    lines = [
        "number,state,value,model.a,model.b,epochs,seconds,reason,folder",
        "0,COMPLETE,0.5,x,,2,9.1,,trials/00000",
        "1,COMPLETE,0.6,y,0.01,2,9.2,,trials/00001",
        "2,PRUNED,,y,0.1,1,4.0,,trials/00002",
        "3,COMPLETE,0.8,y,1,2,9.3,,trials/00003",
        "4,FAIL,,x,,0,1.0,RuntimeError: <boom>,trials/00004",
        "5,COMPLETE,0.4,x,,2,9.1,,trials/00005",
    ]
    (folder / "trials.csv").write_text("\n".join(lines) + "\n")
    return folder
