"""Pictures of results: masks, boxes, flow, curves."""

from outpaint_lightning.pictures.boxes import draw_boxes
from outpaint_lightning.pictures.flow import flow_colours
from outpaint_lightning.pictures.heat import heat_map, tinted
from outpaint_lightning.pictures.marks import FORGED, MarkedPicture, band, overlay, strip
from outpaint_lightning.pictures.regions import draw_region, enlarged, picture_file

__all__ = [
    "FORGED",
    "MarkedPicture",
    "band",
    "draw_boxes",
    "draw_region",
    "enlarged",
    "flow_colours",
    "heat_map",
    "overlay",
    "picture_file",
    "strip",
    "tinted",
]
