"""Reading and writing: clips (frame folders and video files), images, masks, flow, and the dataset on disk."""

from outpaint_lightning.io.clips import VIDEO_SUFFIXES, Clip, FrameFolder, frame_files, open_clip
from outpaint_lightning.io.dataset import OnProblem, ProblemKind, read_dataset
from outpaint_lightning.io.files import atomic, natural_key, require_free, write_csv, write_json
from outpaint_lightning.io.flow import FLOW_SUFFIXES, FlowFile, read_flow, write_flow
from outpaint_lightning.io.images import IMAGE_SUFFIXES, image_size, read_image, read_mask, write_image, write_mask
from outpaint_lightning.io.manifest import ClipEntry, read_table, vision_name, write_manifest
from outpaint_lightning.io.recoding import recode, require_encoder
from outpaint_lightning.io.video import VideoFile, VideoWriter

__all__ = [
    "FLOW_SUFFIXES",
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Clip",
    "ClipEntry",
    "FlowFile",
    "FrameFolder",
    "OnProblem",
    "ProblemKind",
    "VideoFile",
    "VideoWriter",
    "atomic",
    "frame_files",
    "image_size",
    "natural_key",
    "open_clip",
    "read_dataset",
    "read_flow",
    "read_image",
    "read_mask",
    "read_table",
    "recode",
    "require_encoder",
    "require_free",
    "vision_name",
    "write_csv",
    "write_flow",
    "write_image",
    "write_json",
    "write_manifest",
    "write_mask",
]
