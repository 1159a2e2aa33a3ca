"""Pictures of results: masks, boxes, flow, curves."""

from outpaint_lightning.pictures.boxes import BOXES, draw_boxes
from outpaint_lightning.pictures.flow import flow_colours
from outpaint_lightning.pictures.heat import heat_map, tinted
from outpaint_lightning.pictures.marks import FORGED, MarkedPicture, overlay, strip, titled
from outpaint_lightning.pictures.regions import draw_region, enlarged, picture_file

__all__ = [
    "BOXES",
    "FORGED",
    "MarkedPicture",
    "draw_boxes",
    "draw_region",
    "enlarged",
    "flow_colours",
    "heat_map",
    "overlay",
    "picture_file",
    "strip",
    "tinted",
    "titled",
]
