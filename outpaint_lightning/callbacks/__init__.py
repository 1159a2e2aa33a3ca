"""Callbacks that print and write files; training and metrics live in the tasks."""

from outpaint_lightning.callbacks.examples import TestExamples
from outpaint_lightning.callbacks.flow import FlowPictures, FlowReport, FlowWriter, flow_table
from outpaint_lightning.callbacks.masks import MaskPictures
from outpaint_lightning.callbacks.predictions import MaskWriter
from outpaint_lightning.callbacks.progress import PlainProgress
from outpaint_lightning.callbacks.protocols import ProtocolReport
from outpaint_lightning.callbacks.regions import BoxPictures, BoxWriter, RegionReport, region_table
from outpaint_lightning.callbacks.results import TestReport, result_table
from outpaint_lightning.callbacks.trial import TrialReporter

__all__ = [
    "BoxPictures",
    "BoxWriter",
    "FlowPictures",
    "FlowReport",
    "FlowWriter",
    "MaskPictures",
    "MaskWriter",
    "PlainProgress",
    "ProtocolReport",
    "RegionReport",
    "TestExamples",
    "TestReport",
    "TrialReporter",
    "flow_table",
    "region_table",
    "result_table",
]
