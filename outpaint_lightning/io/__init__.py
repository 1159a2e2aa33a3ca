"""Reading and writing: clips (frame folders and video files), images, masks, flow, and the dataset on disk."""

from outpaint_lightning.io.clips import Clip, FrameFolder, frame_files, frame_numbers, paired_masks, until_broken
from outpaint_lightning.io.dataset import OnProblem, ProblemKind, read_dataset
from outpaint_lightning.io.facts import Facts, facts_of
from outpaint_lightning.io.files import atomic, natural_key, require_free, write_csv, write_json
from outpaint_lightning.io.flow import FLOW_SUFFIXES, FlowFile, read_flow, write_flow
from outpaint_lightning.io.images import image_size, read_image, read_mask, write_image, write_mask
from outpaint_lightning.io.kinds import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    has_name_of_image,
    has_name_of_video,
    is_image,
    unread,
)
from outpaint_lightning.io.manifest import ClipEntry, read_table, vision_name, write_manifest
from outpaint_lightning.io.opening import open_clip
from outpaint_lightning.io.reading import composed, on_disk, read_bytes, read_json, read_text
from outpaint_lightning.io.recoding import recode, require_encoder
from outpaint_lightning.io.video import VideoFile
from outpaint_lightning.io.writer import VideoWriter

__all__ = [
    "FLOW_SUFFIXES",
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Clip",
    "ClipEntry",
    "Facts",
    "FlowFile",
    "FrameFolder",
    "OnProblem",
    "ProblemKind",
    "VideoFile",
    "VideoWriter",
    "atomic",
    "composed",
    "facts_of",
    "frame_files",
    "frame_numbers",
    "has_name_of_image",
    "has_name_of_video",
    "image_size",
    "is_image",
    "natural_key",
    "on_disk",
    "open_clip",
    "paired_masks",
    "read_bytes",
    "read_dataset",
    "read_flow",
    "read_image",
    "read_json",
    "read_mask",
    "read_table",
    "read_text",
    "recode",
    "require_encoder",
    "require_free",
    "unread",
    "until_broken",
    "vision_name",
    "write_csv",
    "write_flow",
    "write_image",
    "write_json",
    "write_manifest",
    "write_mask",
]
