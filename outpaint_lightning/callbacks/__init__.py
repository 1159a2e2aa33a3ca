"""Callbacks that print and write files; training and metrics live in the tasks."""

from outpaint_lightning.callbacks.flow import FlowPictures, FlowReport, FlowWriter, flow_table
from outpaint_lightning.callbacks.predictions import MaskWriter
from outpaint_lightning.callbacks.progress import PlainProgress
from outpaint_lightning.callbacks.protocols import ProtocolReport
from outpaint_lightning.callbacks.regions import BoxPictures, BoxWriter, RegionReport, region_table
from outpaint_lightning.callbacks.results import TestReport, result_table

__all__ = [
    "BoxPictures",
    "BoxWriter",
    "FlowPictures",
    "FlowReport",
    "FlowWriter",
    "MaskWriter",
    "PlainProgress",
    "ProtocolReport",
    "RegionReport",
    "TestReport",
    "flow_table",
    "region_table",
    "result_table",
]
