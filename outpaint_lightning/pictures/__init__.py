"""Pictures of what was found: masks, boxes, flow, curves."""

from outpaint_lightning.pictures.boxes import draw_boxes
from outpaint_lightning.pictures.flow import flow_colours
from outpaint_lightning.pictures.marks import MarkedPicture, overlay, strip

__all__ = ["MarkedPicture", "draw_boxes", "flow_colours", "overlay", "strip"]
